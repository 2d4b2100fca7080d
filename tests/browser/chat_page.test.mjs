/*
 * The chat page in a real browser, on a real daemon. Each test has a room of its own.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, test } from 'node:test';

import WebSocket from 'ws';

import { launchChromium, Natterd } from './natterd.mjs';

let natterd, browser;
let ann, ben; // two windows, each a context of its own: two people on two computers
let troubles = []; // what a browser complains of; each test must leave it empty
const open = []; // what else the running test has opened

/* However a test hangs, this ends. Playwright ends its Chromium when we exit. */
setTimeout(() => {
	console.error('the browser tests took more than 55 s');
	natterd?.child.kill('SIGKILL');
	process.exit(1);
}, 55000).unref();

before(async () => {
	[natterd, browser] = await Promise.all([Natterd.start(), launchChromium()]);
	[ann, ben] = await Promise.all([openWindow('ann'), openWindow('ben')]);
}, { timeout: 60000 });

after(async () => {
	await browser?.close();
	await natterd?.stop();
}, { timeout: 60000 });

afterEach(async () => {
	for (const it of open.splice(0))
		await it.close();
	assert.deepEqual(troubles.splice(0), []);
});

async function openWindow(name, options = {}) {
	const context = await browser.newContext(options);
	const page = await context.newPage();
	page.setDefaultTimeout(20000);
	await page.addInitScript(() => addEventListener('securitypolicyviolation',
		(e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`)));
	page.on('console', (m) => ['error', 'warning'].includes(m.type()) && troubles.push(m.text()));
	page.on('pageerror', (e) => troubles.push(String(e)));
	page.on('dialog', (d) => { troubles.push(`dialog: ${d.message()}`); d.dismiss(); });
	page.on('response', (r) => r.status() >= 400 && troubles.push(`${r.status()} ${r.url()}`));
	await page.goto(natterd.url);
	await connected(page);
	await takeName(page, name);
	return page;
}

/* Ann and Ben go to a room, as by a link; Ann is there first. */
async function meetIn(room) {
	for (const [page, name] of [[ann, 'ann'], [ben, 'ben']]) {
		await page.evaluate((it) => { location.hash = it; }, room);
		await named(page, name);
	}
}

const nameBox = (page) => page.getByLabel('Your name');
const textBox = (page) => page.getByLabel('Message', { exact: true });
const connected = (page) => page.locator('#state.open').waitFor();
const named = (page, name) => page.locator('#log .note', { hasText: `${name} connected` }).first().waitFor();
const bubble = (page, words) => page.locator('.bubble .words').getByText(words, { exact: true });
const words = (page) => page.locator('.bubble .words').allTextContents();

async function takeName(page, name, announced = name) {
	await page.evaluate(() => document.querySelectorAll('.note').forEach((note) => note.remove()));
	await nameBox(page).fill(name);
	await nameBox(page).press('Enter');
	await named(page, announced);
}

async function say(page, message) {
	await textBox(page).fill(message);
	await textBox(page).press('Enter');
}

/* Another program: a tutorial's page, a bot. */
async function openClient(room, query = '') {
	const client = new WebSocket(`${natterd.url.replace('http', 'ws')}${room}${query}`);
	open.push(client);
	await once(client, 'open');
	return client;
}

test('two windows chat with each other', { timeout: 60000 }, async () => {
	assert.equal(await ann.locator('#room').textContent(), '#lobby');
	await meetIn('two');
	await named(ann, 'ben'); // the system line, to those who are there

	await say(ann, 'Hello, Ben!');
	await bubble(ben, 'Hello, Ben!').waitFor();
	await say(ben, 'Hello, Ann! \u{1F44B}');
	await bubble(ann, 'Hello, Ann! \u{1F44B}').waitFor();
	await say(ann, 'the end');
	await bubble(ben, 'the end').waitFor();
	await bubble(ann, 'the end').waitFor();

	for (const page of [ann, ben]) {
		assert.deepEqual(await words(page), ['Hello, Ben!', 'Hello, Ann! \u{1F44B}', 'the end']);
		assert.deepEqual(await page.locator('.message .name').allTextContents(), ['ann', 'ben', 'ann']);
		assert.match(await page.locator('.message time').first().getAttribute('datetime'), /^\d{4}-.*Z$/);
	}
	assert.equal(await ann.locator('.message.mine').count(), 2);
	assert.equal(await ben.locator('.message.mine').count(), 1);
	assert.equal(await textBox(ann).inputValue(), '');
});

test('a guest chats without a name, in a room of an odd name', { timeout: 60000 }, async () => {
	await meetIn('caf%C3%A9 %231%3F/tea');
	assert.equal(await ann.locator('#room').textContent(), '#café #1?/tea');
	await takeName(ben, '', 'guest');
	await say(ben, 'hm');
	await bubble(ann, 'hm').waitFor();
	await bubble(ben, 'hm').waitFor();
	assert.deepEqual(await ann.locator('.message .name').allTextContents(), ['guest']);
	assert.equal(await ann.locator('.message.mine').count(), 0);
	assert.equal(await ben.locator('.message.mine').count(), 1);
	await takeName(ben, 'ben');
});

test('what others send is text, never HTML', { timeout: 60000 }, async () => {
	const evil = '<img src=x onerror=alert(1)><script>window.pwned=1</script>';
	await meetIn('html');
	await say(ann, evil);
	await bubble(ben, evil).waitFor();

	const bot = await openClient('html');
	bot.send(JSON.stringify({ message: evil, name: '<b>bot</b>', color: 'red;background:url(//x)', type: 'x' }));
	await ben.locator('.name', { hasText: '<b>bot</b>' }).waitFor();
	assert.deepEqual(await words(ben), [evil, evil]);
	assert.equal(await ben.evaluate(() => window.pwned), undefined);
	assert.equal(await ben.locator('#log :is(img, script, b)').count(), 0);
});

test('objects that are no chat message are ignored', { timeout: 60000 }, async () => {
	await meetIn('objects');
	const bot = await openClient('objects');
	bot.send('{"type":"typing"}');
	bot.send('{"type":"usermsg","message":{"no":"text"}}');
	bot.send('{"message":"text","name":7,"color":[]}');
	await bubble(ann, 'text').waitFor();
	assert.deepEqual(await words(ann), ['text']);
	assert.deepEqual(await ann.locator('.message .name').allTextContents(), ['guest']);
});

test('a reload shows the history, and keeps the name', { timeout: 60000 }, async () => {
	await meetIn('past');
	for (const message of ['one', 'two', 'three']) {
		await say(ann, message);
		await bubble(ann, message).waitFor();
	}
	await ann.reload();
	await bubble(ann, 'three').waitFor();
	await named(ann, 'ann');
	assert.deepEqual(await words(ann), ['one', 'two', 'three']);
	assert.equal(await nameBox(ann).inputValue(), 'ann');
	assert.equal(await ann.locator('.message.mine').count(), 3);

	// the same by a reconnect, where the page has the messages already
	await takeName(ann, 'ann-new');
	await say(ann, 'four');
	await bubble(ann, 'four').waitFor();
	assert.deepEqual(await words(ann), ['one', 'two', 'three', 'four']);
	await takeName(ann, 'ann');
});

test('a name that somebody else has is refused in words', { timeout: 60000 }, async () => {
	await meetIn('names');
	await nameBox(ben).fill('Ann');
	await nameBox(ben).press('Enter');
	await ben.getByRole('alert').getByText('Somebody else is “Ann”').waitFor();
	assert.equal(await nameBox(ben).getAttribute('aria-invalid'), 'true');

	await connected(ben);
	await say(ben, 'I am Ann'); // comes back to the box, and to nobody else
	await ben.waitForFunction(() => document.activeElement.id === 'name');
	assert.equal(await textBox(ben).inputValue(), 'I am Ann');

	await takeName(ben, 'ben');
	assert.equal(await ben.getByRole('alert').textContent(), '');
	await textBox(ben).press('Enter');
	await bubble(ann, 'I am Ann').waitFor();
	assert.deepEqual(await words(ann), ['I am Ann']);
	assert.deepEqual(await ann.locator('.message .name').allTextContents(), ['ben']);
});

test('the daemon is killed and comes back: all chat on', { timeout: 60000 }, async () => {
	await meetIn('kill');
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
	for (const page of [ann, ben])
		assert.deepEqual(await words(page), ['before', 'written meanwhile', 'after']);
	troubles = troubles.filter((it) => !/^WebSocket connection to .* failed/.test(it)); // as it should
});

test('a phone scrolls up and down only, and stays where one reads', { timeout: 60000 }, async () => {
	const page = await openWindow('a-name-that-is-as-long-as-may-be', {
		viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true, colorScheme: 'dark',
	});
	open.push(page.context());
	await say(page, `https://example.org/${'long'.repeat(60)}`);
	await page.locator('.message').waitFor();
	const bot = await openClient('lobby');
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

test('a browser and node ws talk compressed', async () => {
	const daemon = await Natterd.start('deflate = yes\ndeflate_min = 1\nannounce = off\n' +
		'endpoint "/*" { }\nendpoint "/keep" { deflate_takeover = yes room = "lobby" }');
	const said = ['ü€😀 '.repeat(2000), 'and shorter '.repeat(20)]; /* too long for assert's reports */

	open.push({ close: () => daemon.stop() });
	const page = await browser.newPage();
	open.push(page);
	await page.goto(daemon.url);
	for (const path of ['', 'keep']) {
		const client = new WebSocket(`${daemon.url.replace('http', 'ws')}${path}`, { perMessageDeflate: { threshold: 0 } });
		const heard = [];

		open.push(client);
		client.on('message', (data) => heard.push(JSON.parse(data).message));
		await once(client, 'open');
		assert.equal(client.extensions, 'permessage-deflate');
		const [extensions, echoed] = await page.evaluate(async ({ url, messages }) => {
			const socket = new WebSocket(url);
			const got = [];

			await new Promise((opened) => { socket.onopen = opened; });
			for (const message of messages) {
				socket.send(JSON.stringify({ message }));
				got.push(await new Promise((come) => { socket.onmessage = (e) => come(JSON.parse(e.data).message); }));
			}
			socket.close();
			return [socket.extensions, got];
		}, { url: `${daemon.url.replace('http', 'ws')}${path}`, messages: said });

		assert.match(extensions, /^permessage-deflate; server_no_context_takeover/);
		assert.ok(echoed.join() === said.join());
		client.send(JSON.stringify({ message: 'thanks '.repeat(100) }));
		while (heard.length < 3)
			await once(client, 'message'); /* inflated by another thread of node's */
		assert.ok(heard.join() === [...said, 'thanks '.repeat(100)].join());
	}
});
