/* Pages that do what those of the WebSocket tutorials do, each in Chromium, unchanged but for the address. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { launchChromium, LIMIT, Natterd } from '../natterd.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
let chat, commands, browser;
const open = [];

before(async () => {
	[chat, commands, browser] = await Promise.all([Natterd.start('announce = address\npage = yes\norigins = {"*"}'),
		Natterd.start('origins = {"*"}\nendpoint "/*" { handler = commands }'), launchChromium()]);
}, LIMIT);

after(async () => {
	await browser?.close();
	await Promise.all([chat?.stop(), commands?.stop()]);
}, LIMIT);

afterEach(async () => {
	for (const page of open.splice(0)) {
		assert.deepEqual(page.troubles, []);
		await page.close();
	}
});

/* FILE as somebody opens it from the disk: its Origin is null. */
async function look(file, query) {
	const page = await browser.newPage();
	const url = pathToFileURL(path.join(here, file));
	url.search = new URLSearchParams(query);
	page.setDefaultTimeout(20000);
	page.troubles = [];
	page.on('pageerror', (error) => page.troubles.push(String(error)));
	page.on('console', (m) => m.type() === 'error' && page.troubles.push(m.text()));
	open.push(page);
	await page.goto(url.href);
	return page;
}

const ws = (natterd, at) => natterd.url.replace('http', 'ws') + at;
const says = (page, selector, text) => page.locator(selector, { hasText: text }).first().waitFor();
const lines = (page, selector) => page.locator(selector).allTextContents();

async function fill(page, fields) {
	for (const [selector, text] of Object.entries(fields))
		await page.fill(selector, text);
	await page.click('button');
}

for (const at of ['websocket.php', 'deamon.php', ''])
	test(`the JSON chat at /${at}`, LIMIT, async () => {
		const ann = await look('json.html', { ws: ws(chat, at) });
		await says(ann, '.system', '127.0.0.1 connected');
		const bob = await look('json.html', { ws: ws(chat, at) });
		await says(bob, '.system', '127.0.0.1 connected');
		await fill(ann, { '#name': 'ann', '#text': 'hi <b>there</b> ☕' });
		await says(bob, '.message', 'ann: hi <b>there</b> ☕');
		await fill(bob, { '#name': 'bob', '#text': 'hello' });
		for (const page of [ann, bob]) {
			await says(page, '.message', 'bob: hello');
			assert.deepEqual(await lines(page, '.message'), ['ann: hi <b>there</b> ☕', 'bob: hello']);
		}
		await bob.evaluate(() => socket.close());
		await says(ann, '.system', '127.0.0.1 disconnected');
		assert.deepEqual(await lines(bob, '.status'), ['Connected!', 'Connection closed']);
	});

test('its older cousin: usermsg with name and color', LIMIT, async () => {
	const address = { ws: ws(chat, 'demo/server.php') };
	const ann = await look('usermsg.html', address);
	await says(ann, '.system_msg', '127.0.0.1 connected');
	const bob = await look('usermsg.html', address);
	await says(bob, '.system_msg', '127.0.0.1 connected');
	await bob.evaluate(() => { mine = 'CF1100'; });
	await fill(bob, { '#name': 'bob', '#message': 'tea?' });
	for (const page of [ann, bob]) {
		await says(page, '.user_msg', 'bob : tea?');
		assert.equal(await page.locator('.user_name').evaluate((it) => getComputedStyle(it).color), 'rgb(207, 17, 0)');
	}
});

test('the echo server\'s commands, and status numbers', LIMIT, async () => {
	const page = await look('commands.html', { ws: ws(commands, 'websocket/server.php') });
	assert.equal(await page.evaluate(() => origin), 'null');
	await says(page, '#log div', 'Welcome - status 1');
	for (const [said, answer] of [['hello', /^Received: Hello!$/], ['hi', /^Received: Hi!$/], ['name', /^Received: I am natterd\.$/],
		['age', /^Received: .*second/], ['date', /^Received: .*\d/], ['time', /^Received: .*\d/], ['thanks', /^Received: You're welcome\.$/],
		['tea, please', /^Received: You have entered: tea, please$/]]) {
		const before = await page.locator('#log div').count();
		await fill(page, { '#msg': said });
		await page.locator('#log div').nth(before + 1).waitFor();
		assert.match(await page.locator('#log div').nth(before + 1).textContent(), answer);
	}
	await fill(page, { '#msg': 'bye' });
	await says(page, '#log div', 'Disconnected - status 3 - 1000');
	const log = await lines(page, '#log div');
	assert.equal(log[0], 'WebSocket - status 0');
	assert.equal(log.at(-2), 'Received: Bye!');
});

test('a subprotocol that is asked for comes back', LIMIT, async () => {
	for (const protocol of ['chat', 'myProtocol']) {
		const page = await look('commands.html', { ws: ws(chat, ''), protocol });
		await says(page, '#log div', `Welcome - status 1 - ${protocol}`);
		await page.click('text=Quit');
		await says(page, '#log div', 'Disconnected - status 3');
	}
});
