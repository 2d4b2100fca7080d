/* natter.js in Chromium: through a bad network, over a reload, from the pages of other servers, under a strict CSP. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launchChromium, LIMIT, Natterd } from './natterd.mjs';
import { Proxy, random } from './proxy.mjs';

const SEED = Number(process.env.NATTER_SEED ?? Date.now() % 1e6);
const MESSAGES = 60; // of each

let natterd, browser, state, site, pages;

before(async () => {
	state = await mkdtemp(path.join(tmpdir(), 'natter-js-'));
	pages = {}; // path: HTML of a site that is not natterd
	site = http.createServer((request, response) => {
		response.setHeader('Content-Type', 'text/html; charset=utf-8');
		response.setHeader('Content-Security-Policy', `default-src 'none'; script-src ${natterd.url}; connect-src ws://127.0.0.1:*`);
		response.end(pages[request.url] ?? '<!doctype html><title>a site</title>');
	}).listen(0, '127.0.0.1');
	[natterd, browser] = await Promise.all([
		Natterd.start(`announce = name\nstate_dir = "${state}"\njournal = sqlite\ndurability = disk\nmessage_rate = 0`), launchChromium(), once(site, 'listening')]);
}, LIMIT);

after(async () => {
	await browser?.close();
	await natterd?.stop();
	site?.close();
	site?.closeAllConnections();
	await rm(state, { recursive: true, force: true });
}, LIMIT);

/* A page of the other site that has natter.js from natterd, and a room in it whose log it keeps. */
async function openPage(context, options) {
	const page = await context.newPage();
	page.troubles = [];
	page.on('pageerror', (error) => page.troubles.push(String(error)));
	page.on('console', (m) => /Content.Security.Policy|CSP/i.test(m.text()) && page.troubles.push(m.text()));
	pages['/chat'] = `<!doctype html><title>chat</title><script src="${natterd.url}natter.js"></script>`;
	await page.goto(`http://127.0.0.1:${site.address().port}/chat`);
	await begin(page, options);
	return page;
}

function begin(page, { url, room, name }) {
	return page.evaluate(async ([to, where, who]) => {
		globalThis.chat = new Natter(to, { name: who, storage: sessionStorage, minDelay: 20, maxDelay: 300, connectTimeout: 1500,
			pingInterval: 300, pingTimeout: 1000 });
		globalThis.room = chat.join(where);
		globalThis.log = [];
		globalThis.resets = [];
		room.on('reset', (r) => {
			resets.push(r.reason);
			log = r.messages.map((m) => m.message);
		});
		room.on('message', (m) => log.push(m.message));
		await Promise.all([chat.connect(), room.ready, room.once('reset')]);
	}, [url, room, name]);
}

test(`two pages in bad networks, and a daemon that is killed (seed ${SEED})`, LIMIT, async () => {
	const chance = random(SEED);
	const [a, b] = [await Proxy.start(natterd.port), await Proxy.start(natterd.port)];
	const context = await browser.newContext();
	const all = await Promise.all([openPage(context, { url: a.url, room: 'storm', name: 'ann' }),
		openPage(context, { url: b.url, room: 'storm', name: 'bob' })]);
	let over = false;
	const weather = (async () => {
		for (let i = 1; i <= 12 && !over; i++) {
			(chance() < 0.5 ? a : b).trouble(chance);
			if (i % 5 === 0) {
				await natterd.kill();
				await natterd.run();
			}
			await sleep(30 + chance() * 150);
		}
		a.heal();
		b.heal();
	})();
	const refused = await Promise.all(all.map((page, i) => page.evaluate(async ([prefix, n]) => {
		const answers = [];
		for (let k = 0; k < n; k++) {
			answers.push(room.send(`${prefix} ${k}`).then(() => null, (error) => `${error.code} ${error.message}`));
			await new Promise((done) => setTimeout(done, Math.random() * 30));
		}
		return (await Promise.all(answers)).filter(Boolean);
	}, [['ann', 'bob'][i], MESSAGES])));
	over = true;
	await weather;
	assert.deepEqual(refused.flat(), [], `seed ${SEED}`);
	for (const page of all)
		await page.waitForFunction((n) => log.length >= n, 2 * MESSAGES);
	await sleep(50);
	const logs = await Promise.all(all.map((page) => page.evaluate(() => log)));
	assert.deepEqual(logs[0], logs[1], `seed ${SEED}`);
	for (const prefix of ['ann', 'bob'])
		assert.deepEqual(logs[0].filter((text) => text.startsWith(prefix)),
			Array.from({ length: MESSAGES }, (_, i) => `${prefix} ${i}`), `seed ${SEED}`);
	assert.equal(logs[0].length, 2 * MESSAGES);
	for (const page of all) {
		assert.deepEqual(await page.evaluate(() => resets), ['joined']);
		assert.deepEqual(page.troubles, []);
	}
	await context.close();
	await a.stop();
	await b.stop();
});

test('offline and online; a reload keeps the session, a copied tab begins its own', LIMIT, async () => {
	const context = await browser.newContext();
	const options = { url: natterd.url, room: 'home', name: 'eve' };
	const page = await openPage(context, options);
	await page.evaluate(() => room.send('before'));

	await page.evaluate(() => { chat.options.minDelay = chat.options.maxDelay = 1e6; chat.options.connectTimeout = 20000; });
	await natterd.kill();
	await page.waitForFunction(() => chat.state === 'waiting');
	await natterd.run();
	await page.evaluate(() => dispatchEvent(new Event('online')));
	await page.waitForFunction(() => chat.state === 'open');
	assert.equal(await page.evaluate(() => chat.resumed), true);

	const popup = context.waitForEvent('page'); // gets a copy of sessionStorage, as a duplicated tab does
	await page.evaluate((url) => { open(url); }, page.url());
	const copy = await popup;
	await copy.waitForLoadState();
	await begin(copy, { ...options, name: 'eve 2' });
	assert.deepEqual(await copy.evaluate(() => [chat.resumed, chat.name]), [false, 'eve 2']);
	assert.equal(await page.evaluate(() => chat.state), 'open');

	await page.reload();
	await begin(page, { ...options, name: null });
	assert.deepEqual(await page.evaluate(() => [chat.resumed, chat.name, log]), [true, 'eve', ['before']]);
	assert.deepEqual(page.troubles, []);
	await context.close();
});

test('as a module, from another server', LIMIT, async () => {
	const context = await browser.newContext();
	const page = await context.newPage();
	await page.goto(`http://127.0.0.1:${site.address().port}/module`);
	const code = await page.evaluate(async (url) => {
		const { Natter, NatterError } = await import(`${url}natter.mjs`);
		const chat = new Natter(url);
		const { seq } = await chat.join('module').send('hi');
		const error = await chat.join('@no').ready.catch((it) => it);
		chat.close();
		return [seq, error instanceof NatterError, error.code];
	}, natterd.url);
	assert.deepEqual(code, [1, true, 'bad_room']);
	await context.close();
});
