/*
 * Cross-site WebSocket hijacking, tried by a real browser: a page of another host
 * that opens a WebSocket in the name of who looks at it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
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
async function tryFrom(url, room = '/hijack', context = browser, host = `127.0.0.1:${natterd.port}`) {
	const page = await context.newPage();
	await page.goto(url);
	const got = await page.evaluate((address) => new Promise((done) => {
		const socket = new WebSocket(address);
		socket.onmessage = (m) => { done(m.data); socket.close(); };
		socket.onerror = () => done('refused');
	}), `ws://${host}${room}`);
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

/*
 * What the attack is about: the browser sends the visitor's login along, whatever page it is that asks; also with
 * SameSite cookies, where the page is of a neighbour. That it would work is seen where the operator let every
 * origin in; by default the same page is refused.
 */
test('a page of another host cannot use the login of who looks at it', LIMIT, async (t) => {
	const secret = 'a-secret-that-nobody-else-has';
	const chat = await Natterd.start((dir) => {
		writeFileSync(path.join(dir, 'token'), `${secret}\n`, { mode: 0o600 });
		return 'anonymous = no\ntoken_cookie = login\nannounce = name\n' +
			`token "${dir}/token" { user = ann name = Ann }\nendpoint "/*" { }\nendpoint "/open" { origins = {"*"} }`;
	});
	t.after(() => chat.stop());
	const host = `chat.shop.localhost:${chat.port}`, evil = `http://evil.shop.localhost:${site.address().port}/`;
	const context = await browser.newContext();
	t.after(() => context.close());
	await context.addCookies([{ name: 'login', value: secret, url: `http://${host}/`, sameSite: 'Lax' }]);
	assert.equal(await tryFrom(evil, '/tea', context, host), 'refused');
	assert.match(chat.log, /a page of another origin was refused/);
	assert.match(await tryFrom(`http://${host}/healthz`, '/tea', context, host), /Ann connected/);
	assert.match(await tryFrom(evil, '/open', context, host), /Ann connected/);
	await context.clearCookies();
	assert.equal(await tryFrom(`http://${host}/healthz`, '/tea', context, host), 'refused');
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
