/* Compression, with the browser's zlib and node's. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';

import WebSocket from 'ws';

import { launchChromium, LIMIT, Natterd } from './natterd.mjs';

const open = [];

after(async () => {
	for (const it of open.reverse())
		await it.close();
});

test('a browser and node ws talk compressed', LIMIT, async () => {
	const daemon = await Natterd.start('deflate = yes\ndeflate_min = 1\nannounce = off\n' +
		'endpoint "/*" { }\nendpoint "/keep" { deflate_takeover = yes room = "lobby" }');
	const said = ['ü€😀 '.repeat(2000), 'and shorter '.repeat(20)]; /* too long for assert's reports */

	open.push({ close: () => daemon.stop() });
	const browser = await launchChromium();
	open.push(browser);
	const page = await browser.newPage();
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
