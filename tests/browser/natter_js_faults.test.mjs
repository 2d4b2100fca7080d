/*
 * natter.js through bad networks and a daemon that is killed: every page sees each message once, and all
 * see them in the same order. NATTER_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import WebSocket from 'ws';

import { Natter } from '../../src/web/natter.mjs';
import { LIMIT, Natterd } from './natterd.mjs';
import { Proxy, random } from './proxy.mjs';

const SEED = Number(process.env.NATTER_SEED ?? Date.now() % 1e6);
const MESSAGES = Number(process.env.NATTER_MESSAGES ?? 200); // of each
const QUICK = { WebSocket, minDelay: 20, maxDelay: 300, connectTimeout: 1500, pingInterval: 300, pingTimeout: 600 };
const token = (user) => `token "sha256:${createHash('sha256').update(`${user}-token`).digest('hex')}" { user = ${user} name = ${user} }`;

const running = [];
after(async () => {
	for (const stop of running.splice(0).reverse())
		await stop();
});

/* What a page has on its screen, which it builds from the events alone. */
class Page {
	log = [];
	resets = [];
	troubles = [];
	breaks = 0;

	constructor(url, room, options) {
		this.chat = new Natter(url, { ...QUICK, ...options });
		running.push(() => this.chat.close());
		this.chat.on('error', (error) => this.troubles.push(error));
		this.chat.on('close', () => this.breaks++);
		this.room = room ? this.chat.join(room) : this.chat.with('carl');
		this.room.on('reset', (r) => {
			this.resets.push(r.reason);
			this.log = r.messages.filter((m) => !m.target);
		});
		this.room.on('message', (m) => this.log.push(m));
	}

	texts() {
		return this.log.map((m) => m.message);
	}
}

async function start(workers) {
	const state = await mkdtemp(path.join(tmpdir(), 'natter-js-'));
	const natterd = await Natterd.start(['announce = name', `state_dir = "${state}"`, 'journal = sqlite', 'durability = disk', 'message_rate = 0',
		`workers = ${workers}`, token('bob'), token('carl')].join('\n'));
	running.push(() => rm(state, { recursive: true }), () => natterd.stop());
	return natterd;
}

async function through(natterd) {
	const proxy = await Proxy.start(natterd.port);
	running.push(() => proxy.stop());
	return proxy;
}

async function until(what, ready, ms = 30000) {
	for (const end = Date.now() + ms; !ready();) {
		assert.ok(Date.now() < end, `no end of waiting for ${what.call?.() ?? what}, seed ${SEED}`);
		await sleep(10);
	}
}

/* Sends all, some at a time, and says what became of them. */
async function talk(send, prefix, chance) {
	const refused = [];
	let waiting = 0;
	for (let i = 0; i < MESSAGES; i++) {
		await until('answers', () => waiting < 40);
		waiting++;
		send(`${prefix} ${i}`).catch((error) => refused.push(error)).finally(() => waiting--);
		if (chance() < 0.5)
			await sleep(chance() * 30);
	}
	await until('the last answers', () => waiting === 0);
	return refused;
}

function expectOnceInOrder(pages, prefixes) {
	for (const page of pages) {
		const texts = page.texts();
		for (const prefix of prefixes)
			assert.deepEqual(texts.filter((t) => t.startsWith(`${prefix} `)),
				Array.from({ length: MESSAGES }, (_, i) => `${prefix} ${i}`), `seed ${SEED}`);
		assert.equal(texts.length, prefixes.length * MESSAGES, `seed ${SEED}`);
		assert.deepEqual(page.log, page.log.toSorted?.((a, b) => a.seq - b.seq) ?? page.log);
		assert.deepEqual(texts, pages[0].texts(), 'all see the same order');
		assert.deepEqual(page.troubles, []);
	}
}

test(`a guest and a user in bad networks, while the daemon is killed (seed ${SEED})`, LIMIT, async (t) => {
	const chance = random(SEED);
	const natterd = await start(2);
	const [a, b] = [await through(natterd), await through(natterd)];
	const ann = new Page(a.url, 'lobby', { name: 'ann' });
	const bob = new Page(b.url, 'lobby', { token: async () => 'bob-token' });
	const all = [ann, bob];
	await Promise.all(all.map((page) => page.room.ready));
	await until('resets', () => all.every((page) => page.resets.length));

	let over = false;
	const weather = (async () => {
		for (let i = 1; i <= 25 && !over; i++) {
			(chance() < 0.5 ? a : b).trouble(chance);
			if (i % 6 === 0) {
				await natterd.kill();
				await natterd.run();
			}
			await sleep(20 + chance() * 120);
		}
		a.heal();
		b.heal();
	})();
	const refused = await Promise.all([talk((text) => ann.room.send(text), 'ann', chance),
		talk((text) => bob.room.send(text), 'bob', chance)])
		.finally(() => { over = true; });
	await weather;
	assert.deepEqual(refused.flat(), [], `seed ${SEED}`);
	await until('all messages', () => all.every((page) => page.log.length >= 2 * MESSAGES), 10000);
	await sleep(50); // for one too many
	expectOnceInOrder(all, ['ann', 'bob']);
	for (const page of all) {
		assert.deepEqual(page.resets, ['joined'], 'nothing had to be told anew');
		assert.ok(page.breaks > 2, `${page.breaks} breaks are no trouble`);
	}
	t.diagnostic(`breaks: ${all.map((page) => page.breaks)}`);
});

test(`direct messages in bad networks (seed ${SEED})`, LIMIT, async (t) => {
	const chance = random(SEED + 1);
	const natterd = await start(2);
	const [b, c] = [await through(natterd), await through(natterd)];
	const bob = new Page(b.url, null, { token: 'bob-token' });
	const carl = new Page(c.url, 'elsewhere', { token: 'carl-token' });
	carl.chat.on('direct', (m) => carl.log.push(m));
	await Promise.all([bob.chat.connect(), carl.chat.connect(), carl.room.once('reset')]); // which empties the log

	let over = false;
	const weather = (async () => {
		for (let i = 1; i <= 25 && !over; i++) {
			(chance() < 0.5 ? b : c).trouble(chance);
			await sleep(20 + chance() * 120);
		}
		b.heal();
		c.heal();
	})();
	const refused = await talk((text) => bob.room.send(text), 'bob', chance).finally(() => { over = true; });
	await weather;
	assert.deepEqual(refused, []);
	await until(() => `all messages: ${[bob, carl].map((page) => `${page.chat.state} ${page.log.length}`)}, carl has no ${
		bob.texts().filter((text) => !carl.texts().includes(text))}`,
		() => [bob, carl].every((page) => page.log.length >= MESSAGES), 10000);
	await sleep(50);
	expectOnceInOrder([bob, carl], ['bob']);
	assert.ok(bob.breaks + carl.breaks > 2);
	t.diagnostic(`breaks: ${bob.breaks},${carl.breaks}`);
});
