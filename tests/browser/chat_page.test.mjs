/*
 * The chat page in a real browser, on a real daemon. Each test has a room of its own.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, test } from 'node:test';

import WebSocket from 'ws';

import { launchChromium, Natterd } from './natterd.mjs';

let natterd, browser;
let troubles = []; // what a browser complains of; each test must leave it empty
const open = []; // contexts and clients of the running test

/* However a test hangs, this ends. Playwright ends its Chromium when we exit. */
setTimeout(() => {
	console.error('the browser tests took more than 55 s');
	natterd?.child.kill('SIGKILL');
	process.exit(1);
}, 55000).unref();

before(async () => {
	natterd = await Natterd.start();
	browser = await launchChromium();
}, { timeout: 20000 });

after(async () => {
	await browser?.close();
	await natterd?.stop();
}, { timeout: 15000 });

afterEach(async () => {
	for (const it of open.splice(0))
		await it.close();
	assert.deepEqual(troubles.splice(0), []);
});

/* A window of somebody else: its own context, as if on another computer. */
async function openWindow(room, name = '', options = {}) {
	const context = await browser.newContext(options);
	open.push(context);
	const page = await context.newPage();
	page.setDefaultTimeout(8000);
	await page.addInitScript(() => addEventListener('securitypolicyviolation',
		(e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`)));
	page.on('console', (m) => ['error', 'warning'].includes(m.type()) && troubles.push(m.text()));
	page.on('pageerror', (e) => troubles.push(String(e)));
	page.on('dialog', (d) => { troubles.push(`dialog: ${d.message()}`); d.dismiss(); });
	page.on('response', (r) => r.status() >= 400 && troubles.push(`${r.status()} ${r.url()}`));
	await page.goto(`${natterd.url}#${room}`);
	await connected(page);
	if (name)
		await takeName(page, name);
	return page;
}

const connected = (page) => page.locator('#state.open').waitFor();
const named = (page, name) => page.locator('#log .note', { hasText: `${name} connected` }).first().waitFor();
const bubble = (page, words) => page.locator('.bubble .words').getByText(words, { exact: true });
const words = (page) => page.locator('.bubble .words').allTextContents();

async function takeName(page, name) {
	await page.getByLabel('Your name').fill(name);
	await page.keyboard.press('Enter');
	await named(page, name);
}

async function say(page, message) {
	await page.getByLabel('Message', { exact: true }).fill(message);
	await page.keyboard.press('Enter');
}

/* Another program: a tutorial's page, a bot. */
async function openClient(room, query = '') {
	const client = new WebSocket(`${natterd.url.replace('http', 'ws')}${room}${query}`);
	open.push(client);
	await once(client, 'open');
	return client;
}

test('two windows chat with each other', { timeout: 15000 }, async () => {
	const ann = await openWindow('two', 'ann');
	const ben = await openWindow('two', 'ben');
	await named(ann, 'ben'); // the system line, to those who are there

	await say(ann, 'Hello, Ben!');
	await bubble(ben, 'Hello, Ben!').waitFor();
	await say(ben, 'Hello, Ann!\u{1F44B}');
	await bubble(ann, 'Hello, Ann!\u{1F44B}').waitFor();
	await say(ann, 'the end');
	await bubble(ben, 'the end').waitFor();
	await bubble(ann, 'the end').waitFor();

	for (const page of [ann, ben]) {
		assert.deepEqual(await words(page), ['Hello, Ben!', 'Hello, Ann!\u{1F44B}', 'the end']);
		assert.deepEqual(await page.locator('.message .name').allTextContents(), ['ann', 'ben', 'ann']);
		assert.match(await page.locator('.message time').first().getAttribute('datetime'), /^\d{4}-.*Z$/);
	}
	assert.equal(await ann.locator('.message.mine').count(), 2);
	assert.equal(await ben.locator('.message.mine').count(), 1);
	assert.equal(await ann.getByLabel('Message', { exact: true }).inputValue(), '');
});

test('a guest chats without a name, in a room of an odd name', { timeout: 15000 }, async () => {
	const one = await openWindow('caf%C3%A9 %231%3F/tea');
	const two = await openWindow('caf%C3%A9 %231%3F/tea');
	await say(one, 'hm');
	await bubble(two, 'hm').waitFor();
	assert.deepEqual(await two.locator('.message .name').allTextContents(), ['guest']);
	assert.equal(await one.locator('.message.mine').count(), 1);
	assert.equal(await two.locator('.message.mine').count(), 0);
	assert.equal(await two.locator('#room').textContent(), '#café #1?/tea');
});

test('what others send is text, never HTML', { timeout: 15000 }, async () => {
	const evil = '<img src=x onerror=alert(1)><script>window.pwned=1</script>';
	const ann = await openWindow('html', 'ann-html');
	const ben = await openWindow('html', 'ben-html');
	await say(ann, evil);
	await bubble(ben, evil).waitFor();

	const bot = await openClient('html');
	bot.send(JSON.stringify({ message: evil, name: '<b>bot</b>', color: 'red;background:url(//x)', type: 'x' }));
	await ben.locator('.name', { hasText: '<b>bot</b>' }).waitFor();
	assert.deepEqual(await words(ben), [evil, evil]);
	assert.equal(await ben.evaluate(() => window.pwned), undefined);
	assert.equal(await ben.locator('#log :is(img, script, b)').count(), 0);
});

test('objects that are no chat message are ignored', { timeout: 15000 }, async () => {
	const ann = await openWindow('objects', 'ann-objects');
	const bot = await openClient('objects');
	bot.send('{"type":"typing"}');
	bot.send('{"type":"usermsg","message":{"no":"text"}}');
	bot.send('{"message":"text","name":7,"color":[]}');
	await bubble(ann, 'text').waitFor();
	assert.deepEqual(await words(ann), ['text']);
	assert.deepEqual(await ann.locator('.message .name').allTextContents(), ['guest']);
});

test('a reload shows the history, and keeps the name', { timeout: 15000 }, async () => {
	const ann = await openWindow('past', 'ann-past');
	for (const message of ['one', 'two', 'three']) {
		await say(ann, message);
		await bubble(ann, message).waitFor();
	}
	await ann.reload();
	await bubble(ann, 'three').waitFor();
	assert.deepEqual(await words(ann), ['one', 'two', 'three']);
	assert.equal(await ann.getByLabel('Your name').inputValue(), 'ann-past');
	assert.equal(await ann.locator('.message.mine').count(), 3);

	// the same by a reconnect, where the page has the messages already
	await takeName(ann, 'ann-new');
	await say(ann, 'four');
	await bubble(ann, 'four').waitFor();
	assert.deepEqual(await words(ann), ['one', 'two', 'three', 'four']);
});

test('a name that somebody else has is refused in words', { timeout: 15000 }, async () => {
	const ann = await openWindow('names', 'ann-names');
	const other = await openWindow('names');
	await other.getByLabel('Your name').fill('Ann-Names');
	await other.keyboard.press('Enter');
	await other.getByRole('alert').getByText('Somebody else is “Ann-Names”').waitFor();
	assert.equal(await other.getByLabel('Your name').getAttribute('aria-invalid'), 'true');

	await connected(other);
	await say(other, 'I am ann'); // comes back to the box, and to nobody else
	await other.waitForFunction(() => document.activeElement.id === 'name');
	assert.equal(await other.getByLabel('Message', { exact: true }).inputValue(), 'I am ann');

	await takeName(other, 'ben-names');
	assert.equal(await other.getByRole('alert').textContent(), '');
	await other.getByLabel('Message', { exact: true }).press('Enter');
	await bubble(ann, 'I am ann').waitFor();
	assert.deepEqual(await words(ann), ['I am ann']);
	assert.deepEqual(await ann.locator('.message .name').allTextContents(), ['ben-names']);
});

test('the daemon is killed and comes back: all chat on', { timeout: 30000 }, async () => {
	const ann = await openWindow('kill', 'ann-kill');
	const ben = await openWindow('kill', 'ben-kill');
	await say(ann, 'before');
	await bubble(ben, 'before').waitFor();

	await natterd.kill('SIGKILL');
	for (const page of [ann, ben])
		await page.locator('#state:not(.open)').getByText(/again/).waitFor();
	await say(ann, 'written meanwhile'); // is sent as soon as there is a connection
	await natterd.run();
	await connected(ann);
	await connected(ben);

	await bubble(ann, 'written meanwhile').waitFor();
	await say(ben, 'after');
	await bubble(ann, 'after').waitFor();
	await bubble(ben, 'after').waitFor();
	assert.deepEqual(await words(ann), ['before', 'written meanwhile', 'after']);
	assert.equal((await words(ben)).filter((it) => it === 'after').length, 1);
	troubles = troubles.filter((it) => !/^WebSocket connection to .* failed/.test(it)); // as it should
});

test('a phone scrolls up and down only, and stays where one reads', { timeout: 15000 }, async () => {
	const page = await openWindow('phone', 'a-name-that-is-as-long-as-may-be', {
		viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true, colorScheme: 'dark',
	});
	await say(page, `https://example.org/${'long'.repeat(60)}`);
	await page.locator('.message').waitFor();
	const bot = await openClient('phone');
	for (let i = 0; i < 40; i++)
		bot.send(JSON.stringify({ message: `line ${i}`, name: 'bot' }));
	await bubble(page, 'line 39').waitFor();
	assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360));
	assert.ok(await page.evaluate(() => document.getElementById('log').scrollWidth
		<= document.getElementById('log').clientWidth));

	const fromEnd = () => page.locator('#log').evaluate((log) =>
		log.scrollHeight - log.scrollTop - log.clientHeight);
	assert.ok(await fromEnd() < 2); // it follows what is said …
	await page.locator('#log').evaluate((log) => { log.scrollTop = 0; });
	await page.waitForTimeout(100);
	bot.send('{"message":"newest","name":"bot"}');
	await page.getByRole('button', { name: 'New messages' }).waitFor();
	assert.equal(await page.locator('#log').evaluate((log) => log.scrollTop), 0); // … but not while one reads
	await page.getByRole('button', { name: 'New messages' }).click();
	assert.ok(await fromEnd() < 2);
});
