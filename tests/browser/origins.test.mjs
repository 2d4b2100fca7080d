/*
 * Cross-site WebSocket hijacking, tried by a real browser: a page of another host
 * that opens a WebSocket in the name of who looks at it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { launchChromium, LIMIT, Natterd } from './natterd.mjs';

let natterd, browser, site; // the site has no natterd: just a page, by any name of this machine

before(async () => {
	[natterd, browser] = await Promise.all([Natterd.start('origins = {"same-host"}\nendpoint "/*" { }\n' +
		'endpoint "/files" { origins = {"null"} }'), launchChromium()]);
	site = http.createServer((_, answer) => {
		answer.setHeader('Content-Type', 'text/html');
		answer.end('<!DOCTYPE html><title>a page</title>');
	}).listen(0, '127.0.0.1');
	await once(site, 'listening');
}, LIMIT);

after(async () => {
	await browser?.close();
	site?.close();
	await natterd?.stop();
}, LIMIT);

/* What comes of a WebSocket that the page at URL opens: its first message, or 'refused'. */
async function tryFrom(url, room = '/hijack', context = browser) {
	const page = await context.newPage();
	await page.goto(url);
	const got = await page.evaluate((address) => new Promise((done) => {
		const socket = new WebSocket(address);
		socket.onmessage = (m) => { done(m.data); socket.close(); };
		socket.onerror = () => done('refused');
	}), `ws://127.0.0.1:${natterd.port}${room}`);
	await page.close();
	return got;
}

test('a page of another host cannot open the socket, with cookies or without', LIMIT, async () => {
	const url = `http://localhost:${site.address().port}/`;
	const context = await browser.newContext();
	await context.addCookies([{ name: 'login', value: 'secret', url: natterd.url }]);
	assert.equal(await tryFrom(url, '/hijack', context), 'refused');
	await context.close();
	assert.equal(await tryFrom(url), 'refused');
	assert.match(natterd.log, new RegExp(`origin=http://localhost:${site.address().port} host=127.0.0.1:${natterd.port}`));
	assert.ok(natterd.log.includes(`allow="origins = {'same-host', 'http://localhost:${site.address().port}'}"`));
});

test('pages of the same host can, on another port too', LIMIT, async () => {
	assert.match(await tryFrom(natterd.url), /connected/);
	assert.match(await tryFrom(`http://127.0.0.1:${site.address().port}/`), /connected/);
});

test('a page opened from a file can only where null is written out', LIMIT, async () => {
	const file = path.join(natterd.dir, 'page.html');
	await writeFile(file, '<!DOCTYPE html><title>a page</title>');
	assert.equal(await tryFrom(`file://${file}`), 'refused');
	assert.match(await tryFrom(`file://${file}`, '/files'), /connected/);
	assert.equal(await tryFrom(natterd.url, '/files'), 'refused');
});
