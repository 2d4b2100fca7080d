/*
 * The chat page over https and wss in a real browser, beside one without TLS.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { launchChromium, LIMIT, Natterd } from './natterd.mjs';
import { connected, inRoom, say, seen } from './people.mjs';

/* Makes cert.pem and key.pem in FOLDER. False: there is no openssl. */
function certify(folder) {
	try {
		execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
			'-keyout', path.join(folder, 'key.pem'), '-out', path.join(folder, 'cert.pem'), '-days', '2',
			'-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });
		return true;
	} catch {
		return false;
	}
}

/* A window of its own at URL, past its beginning. */
async function openPage(browser, url) {
	const context = await browser.newContext({ ignoreHTTPSErrors: true });
	const page = await context.newPage();
	page.setDefaultTimeout(20000);
	const sockets = [];
	page.on('websocket', (ws) => sockets.push(ws.url()));
	await page.goto(url);
	await connected(page);
	await inRoom(page);
	return { page, sockets };
}

test('a page over https chats over wss with one over http', LIMIT, async (t) => {
	const folder = mkdtempSync(path.join(tmpdir(), 'natter-tls-'));
	t.after(() => rmSync(folder, { recursive: true, force: true }));
	if (!certify(folder))
		return t.skip('openssl is missing (Debian: openssl)');
	const natterd = await Natterd.start(`announce = name
listener secure {
	address = {"127.0.0.1"} port = 0 tls = yes
	certificate = "${folder}/cert.pem" key = "${folder}/key.pem"
}`);
	t.after(() => natterd.stop());
	const port = /listener=secure address=127\.0\.0\.1:(\d+)/.exec(natterd.log)[1];
	const browser = await launchChromium();
	t.after(() => browser.close());

	const plain = await openPage(browser, natterd.url);
	const secure = await openPage(browser, `https://127.0.0.1:${port}/`);
	assert.match(secure.sockets[0], new RegExp(`^wss://127\\.0\\.0\\.1:${port}/`));
	assert.match(plain.sockets[0], /^ws:/);
	await say(secure.page, 'said over wss');
	await seen(plain.page, 'said over wss');
	await say(plain.page, 'said over ws');
	await seen(secure.page, 'said over ws');
});
