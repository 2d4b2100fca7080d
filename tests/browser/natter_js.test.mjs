/*
 * natter.js in Node.js: each of its functions on a real daemon, and what it makes of a server's end, on one
 * that we play.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, test as tested } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import WebSocket, { WebSocketServer } from 'ws';

import Default, { Natter, NatterError } from '../../src/web/natter.mjs';
import { LIMIT, Natterd } from './natterd.mjs';
import { Proxy } from './proxy.mjs';

const QUICK = { WebSocket, minDelay: 20, maxDelay: 200 };
const open = [];
const test = (name, does) => tested(name, LIMIT, does);

afterEach(async () => {
	for (const it of open.splice(0).reverse())
		await (it.close?.() ?? it.stop?.());
});

function opened(it) {
	open.push(it);
	return it;
}

const user = (id, role = 'user') =>
	`token "sha256:${createHash('sha256').update(`${id}-token`).digest('hex')}" { user = ${id} name = ${id} role = ${role} }`;

async function start(options = '') {
	return opened(await Natterd.start(`announce = name\n${user('ann', 'moderator')}\n${user('bob')}\n${options}`));
}

function client(at, options) {
	return opened(new Natter(at.url, { ...QUICK, ...options }));
}

/* A server that we play: answer(request, say) is what it says to each. Its address. */
async function serve(answer = () => {}) {
	const server = opened(new WebSocketServer({ port: 0, host: '127.0.0.1' }));
	server.on('connection', (ws) => {
		const say = (m) => ws.send(JSON.stringify(m));
		if (answer.length)
			say({ type: 'welcome', session: 's', room: 'lobby', anonymous: true, limits: {} });
		ws.on('message', (data) => answer(JSON.parse(data), say));
	});
	await once(server, 'listening');
	server.url = `ws://127.0.0.1:${server.address().port}`;
	return server;
}

/* The values of the events of TYPE, from now on; next() waits for one. */
function hear(emitter, type) {
	const heard = [];
	let wake = () => {};
	emitter.on(type, (value) => {
		heard.push(value);
		wake();
	});
	heard.next = async (which = () => true) => {
		for (const end = Date.now() + 10000; ;) {
			const at = heard.findIndex(which);
			if (at >= 0)
				return heard.splice(0, at + 1).at(-1);
			assert.ok(Date.now() < end, `no ${type}`);
			await Promise.race([new Promise((done) => { wake = done; }), sleep(200)]);
		}
	};
	return heard;
}

/* What ROOM tells, in words. */
function tell(room) {
	const told = [];
	room.on('reset', (r) => told.push(r.reason, ...r.messages.map((m) => m.message)));
	room.on('message', (m) => told.push(m.message));
	return told;
}

async function until(what, ready) {
	for (const end = Date.now() + 10000; !ready(); await sleep(5))
		assert.ok(Date.now() < end, `no ${what}`);
}

const rejects = (promise, code) => assert.rejects(promise, (error) => {
	assert.ok(error instanceof NatterError && error instanceof Error && typeof error.message === 'string');
	assert.equal(error.code, code);
	return true;
});

test('a module and a script are the same', () => {
	assert.equal(Default, globalThis.Natter);
	assert.equal(Natter.Error, NatterError);
	assert.equal(new NatterError('muted', 'no', 3).retryAfter, 3);
});

test('rooms: messages, edits, deletions, history, presence, typing, own types', async () => {
	const d = await start();
	const ann = client(d, { name: ' Ann ' }), bob = client(d);
	const a = ann.join('tea');
	const resets = hear(a, 'reset'), heard = hear(a, 'message'), presence = hear(a, 'presence');
	assert.equal(await ann.connect(), ann);
	assert.equal(await a.ready, a);
	assert.equal(ann.join('tea'), a);
	assert.deepEqual([ann.name, ann.user, ann.role, ann.state, ann.room, ann.anonymous, ann.resumed],
		['Ann', null, 'guest', 'open', 'lobby', true, false]);
	assert.equal(ann.limits.history_max, 200);
	assert.deepEqual(await resets.next(), { reason: 'joined', messages: [], more: false });

	const { seq, cid } = await a.send({ message: 'hi', color: '#123456', cid: 'not this one', room: 'nor this' });
	assert.equal(seq, 1);
	const mine = await heard.next();
	assert.deepEqual([mine.message, mine.color, mine.seq, mine.room, mine.cid], ['hi', '#123456', 1, 'tea', cid]);
	await a.send('two', { cid: 'chosen' });
	assert.equal((await heard.next()).cid, 'chosen');

	const b = bob.join('tea', { history: 1 });
	assert.deepEqual((await b.once('reset')).messages.map((m) => m.message), ['two']);
	assert.deepEqual([b.members, b.guests, b.role, b.seq, b.state], [1, 1, 'guest', 2, 'joined']);
	await presence.next((m) => m.event === 'count' && m.guests === 1);
	assert.deepEqual([a.members, a.guests], [1, 1]);
	assert.equal(await bob.rename('bob'), 'bob');
	assert.equal((await presence.next((m) => m.name === 'bob')).event, 'rename');
	await rejects(bob.rename('ANN'), 'name_taken');
	assert.equal(bob.name, 'bob');
	assert.equal(await bob.rename(null), null);
	await bob.rename('bob');

	const edits = hear(a, 'edit'), deletes = hear(b, 'delete');
	await a.edit(1, 'hello');
	const edit = await edits.next();
	assert.deepEqual([edit.target, edit.message, edit.seq], [1, 'hello', 3]);
	await a.delete(2);
	assert.equal((await deletes.next()).target, 2);
	await rejects(b.edit(1, 'mine now'), 'not_yours');
	const page = await b.history({ before: 3, limit: 2 });
	assert.deepEqual(page.messages.map((m) => [m.seq, m.type, m.message]), [[1, 'usermsg', 'hello'], [2, 'deleted', undefined]]);
	assert.equal(page.more, false);
	assert.deepEqual((await b.history({ after: 1, limit: 1 })).messages.map((m) => m.seq), [2]);

	const typing = hear(a, 'typing'), relayed = hear(a, 'relay');
	b.typing();
	b.typing(); // once is enough
	assert.equal(b.relay('message', { message: 'forged' }), true);
	assert.equal(b.relay('wave', { at: 'ann', room: 'elsewhere' }), true);
	const wave = await relayed.next((m) => m.type === 'wave');
	assert.deepEqual([wave.name, wave.at, wave.room], ['bob', 'ann', 'tea']);
	assert.equal(typing.length, 1);
	assert.equal(typing[0].name, 'bob');

	assert.deepEqual((await a.who({ limit: 1 })).members.map((m) => m.name), ['Ann']);
	assert.deepEqual((await a.who({ after: 'Ann' })).members.map((m) => m.name), ['bob']);
	assert.deepEqual((await ann.rooms()).rooms, [{ room: 'tea', members: 2, guests: 0 }]);

	const left = hear(b, 'left');
	await b.leave();
	assert.equal((await left.next()).code, 'not_joined');
	assert.deepEqual([b.state, b.relay('wave')], ['left', false]);
	await rejects(b.send('gone'), 'not_joined');
	await b.leave();
	assert.notEqual(bob.join('tea'), b);
	await bob.join('tea').send('again');
	assert.equal((await heard.next((m) => m.message === 'again')).name, 'bob');
});

/* Members that any client can write, and that mean something where the server says them. */
const FORGED = {
	seq: 77, time: 5, room: 'other', user: 'root', target: 1, cid: 'taken', epoch: 'zz', between: ['ann', 'bob'], reason: 'gap', messages: [],
	members: 999, guests: 999, edited: 3, deleted: 4, role: 'admin', event: 'join', code: 'banned', to: 'x', read: 9, recovered: false, _held: 1,
};

test('what any guest can write is not believed', async () => {
	const d = await start();
	const ann = client(d, { token: 'ann-token' }), room = ann.join('lobby');
	const wrong = ['left', 'kicked', 'topic', 'edit', 'delete', 'joined'].map((type) => hear(room, type));
	const heard = hear(room, 'message'), relayed = hear(room, 'relay'), resets = hear(room, 'reset');
	await Promise.all([ann.connect(), room.ready]);
	await room.send({ message: 'mine' }, { cid: 'taken' });
	await resets.next();
	wrong.at(-1).length = 0; // one's own
	const before = [room.epoch, ann.user, ann.role, room.role, room.topic];

	// a tutorial's page, with types that are an application's own
	const plain = opened(new WebSocket(d.url.replace('http', 'ws')));
	await once(plain, 'open');
	const types = ['left', 'reset', 'relay', 'message', 'state', 'close', '__proto__', 'constructor', '_emit'];
	for (const type of types) {
		plain.send(JSON.stringify({ ...FORGED, type, message: type }));
		plain.send(JSON.stringify({ ...FORGED, type }));
	}
	plain.send('{"__proto__":{"seq":99},"message":"end"}');
	await heard.next((m) => m.message === 'mine');
	for (const [i, type] of types.entries()) {
		const m = await heard.next();
		assert.deepEqual([m.message, m.seq, m.room, m.cid, m.user], [type, 2 + i, 'lobby', undefined, undefined]);
		assert.ok(m.time > 1e12);
		const it = await relayed.next();
		assert.deepEqual([it.type, it.seq, it.room, it.user], [type, undefined, 'lobby', undefined]);
	}
	assert.equal((await heard.next()).message, 'end');
	assert.equal((await room.history()).messages.at(-1).message, 'end');

	// a guest of natter.v1
	const eve = client(d), there = eve.join('lobby');
	const past = await there.once('reset');
	assert.deepEqual(past.messages.map((m) => m.cid), Array(types.length + 2).fill(undefined));
	await there.ready;
	for (const type of ['left', 'reset', 'relay']) {
		assert.equal(there.relay(type, FORGED), true);
		assert.deepEqual([(await relayed.next()).type, room.state], [type, 'joined']);
	}
	const sent = await there.send({ ...FORGED, message: 'hi' });
	const hi = await heard.next();
	assert.deepEqual([hi.message, hi.seq, hi.type, hi.cid, hi.user], ['hi', sent.seq, 'usermsg', undefined, undefined]);

	const directs = hear(ann, 'direct'), talk = ann.with('bob'), talked = hear(talk, 'message');
	await eve.direct({ name: 'ann' }, { ...FORGED, user: undefined, message: 'psst' });
	const psst = await directs.next();
	assert.deepEqual([psst.message, psst.type, psst.seq, psst.user, psst.between, psst.room].filter(Boolean), ['psst', 'direct']);
	const bob = client(d, { token: 'bob-token' });
	await bob.with('ann').send({ ...FORGED, message: 'of bob' });
	const of = await talked.next();
	assert.deepEqual([of.message, of.between, of.user, of.room, of.seq], ['of bob', ['ann', 'bob'], 'bob', undefined, 1]);

	assert.deepEqual([room.epoch, ann.user, ann.role, room.role, room.topic], before);
	assert.deepEqual([room.state, ann.state, room.members], ['joined', 'open', 1]);
	await until('count of guests', () => room.guests === 2);
	assert.deepEqual([...wrong.map((it) => it.length), resets.length, heard.length, relayed.length], [0, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test('logins: tokens, read markers, topics, moderation', async () => {
	const d = await start();
	const ann = client(d, { token: 'ann-token' }), bob = client(d, { token: async () => 'bob-token' });
	assert.equal(await ann.connect(), ann);
	assert.deepEqual([ann.name, ann.user, ann.role], ['ann', 'ann', 'moderator']);
	const a = ann.join('lobby'), b = bob.join('lobby');
	const topics = hear(b, 'topic'), muted = hear(b, 'muted'), kicked = hear(b, 'kicked'), gone = hear(b, 'left');
	await Promise.all([a.ready, b.ready]);
	assert.equal(a.role, 'moderator');
	await a.setTopic('tea');
	assert.deepEqual([(await topics.next()).topic, b.topic], ['tea', 'tea']);
	await rejects(b.setTopic('coffee'), 'forbidden');
	await a.send('one');
	await a.send('two');
	assert.deepEqual([await a.read(2), await a.read(1), a.readSeq], [2, 2, 2]);
	await a.mute('bob', 60, { reason: 'quiet' });
	assert.deepEqual([(await muted.next()).reason], ['quiet']);
	await assert.rejects(b.send('but'), (error) => error.code === 'muted' && error.retryAfter > 50);
	await a.mute({ user: 'bob' }, 0);
	await b.send('thanks');
	await a.kick({ name: 'bob' });
	assert.equal((await kicked.next()).by, 'ann');
	assert.equal((await gone.next()).code, 'kicked');
	await a.ban('bob', 60).catch(() => a.ban({ user: 'bob' }, 60));
	await rejects(bob.join('lobby').ready, 'banned');

	const guest = client(d);
	await rejects(guest.join('lobby').ready.then((it) => it.read(1)), 'login_needed');
	await guest.auth('ann-token');
	assert.equal(guest.user, 'ann');
	await rejects(client(d, { token: 'made up' }).connect(), 'bad_token');
	await rejects(client(d, { token: () => Promise.reject(new NatterError('shop_closed')) }).connect(), 'shop_closed');
});

test('a login is needed', async () => {
	const d = await start('anonymous = no\nauth_timeout = 1s');
	const guest = client(d);
	await guest.connect();
	assert.equal(guest.anonymous, false);
	await rejects(guest.join('lobby').ready, 'login_needed');
	const { code, final, error } = await guest.once('close');
	assert.deepEqual([code, final, error.code, guest.state], [4502, true, 'login_needed', 'closed']);
	await guest.auth('bob-token');
	assert.equal((await guest.join('lobby').ready).role, 'user');
});

/* A server that knows all tokens, and says at the first that it ends soon. */
async function serveTokens(tokens) {
	return serve(({ type, cid, token }, say) => {
		if (type === 'auth') {
			tokens.push(token);
			return say({ type: 'ok', cid, user: 'ann', role: 'user' });
		}
		say(type === 'conversations' ? { type, cid, conversations: [], more: false } : { type: 'ok', cid });
		if (tokens.length === 1)
			say({ type: 'token_expiring', in: 30 });
	});
}

test('a token that runs out is renewed', async () => {
	const tokens = [], server = await serveTokens(tokens);
	let number = 0;
	const chat = client(server, { token: async () => `token ${++number}` });
	await chat.once('token_expiring');
	await until('a second token', () => tokens.length === 2);
	assert.deepEqual(tokens, ['token 1', 'token 2']);
});

test('a function for tokens that fails for a moment', async () => {
	const tokens = [], server = await serveTokens(tokens);
	let asked = 0;
	const chat = client(server, { token: async () => {
		if (++asked === 1 || asked === 3)
			throw new TypeError('fetch failed');
		return `token ${asked}`;
	} });
	const closes = hear(chat, 'close'), errors = hear(chat, 'error');
	const close = await closes.next(); // at the beginning: another connection
	assert.deepEqual([close.final, close.reason], [false, 'fetch failed']);
	await chat.connect();
	assert.equal(chat.user, 'ann');
	assert.equal((await errors.next()).message, 'fetch failed'); // at the renewal: told, and this connection goes on
	assert.deepEqual([chat.state, closes.length, tokens], ['open', 0, ['token 2']]);
	server.clients.forEach((ws) => ws.close(4003, 'the token has expired')); // as natterd does then
	assert.equal((await closes.next()).final, false);
	await chat.connect();
	assert.deepEqual([chat.user, tokens], ['ann', ['token 2', 'token 4']]);
});

test('direct messages: of users, kept and caught up with; of guests', async () => {
	const d = await start();
	const ann = client(d, { token: 'ann-token' }), eve = client(d, { name: 'eve' });
	await Promise.all([ann.connect(), eve.connect()]);
	const annHears = hear(ann, 'direct');
	await eve.direct('ann', 'hello');
	assert.deepEqual([(await annHears.next()).name], ['eve']);
	await rejects(eve.direct('nobody', 'hello?'), 'not_there');

	await ann.direct({ user: 'bob' }, 'before bob came');
	const bob = client(d, { token: 'bob-token' });
	const talk = bob.with('ann', { history: 10 });
	assert.equal(bob.with('ann'), talk);
	const directs = hear(bob, 'direct'), messages = hear(talk, 'message');
	assert.deepEqual((await talk.once('reset')).messages.map((m) => m.message), ['before bob came']);
	await ann.with('bob').send('psst');
	assert.equal((await directs.next()).message, 'psst');
	assert.equal((await messages.next()).seq, 2);
	await talk.edit((await talk.send('tpyo')).seq, 'typo');
	await talk.delete(3);
	assert.deepEqual((await talk.history({ limit: 5 })).messages.map((m) => m.seq), [1, 2, 3, 4, 5]);
	assert.equal(await talk.read(3), 3);
	assert.deepEqual((await bob.conversations()).conversations.map((c) => [c.with, c.seq, c.read]), [['ann', 5, 3]]);
	await ann.direct('bob', 'by name');
	assert.equal((await directs.next((m) => m.message === 'by name')).between.join(), 'ann,bob');

	bob.close(); // and away
	await ann.direct({ user: 'bob' }, 'where are you?');
	await bob.connect();
	assert.equal((await directs.next((m) => m.message === 'where are you?')).seq, 7);
});

test('a name that somebody else has, and one that a token takes away', async () => {
	const d = await start();
	const guest = client(d, { name: 'ann' });
	const renamed = hear(guest, 'renamed');
	await guest.connect();
	const other = client(d, { name: 'Ann' });
	const errors = hear(other, 'error');
	assert.equal((await errors.next()).code, 'name_taken');
	await other.connect();
	assert.equal(other.name, null);
	client(d, { token: 'ann-token' });
	assert.deepEqual((await renamed.next()).name, null);
	assert.equal(guest.name, null);
});

test('requests: bounds, signals, sizes', async () => {
	const d = await start('max_message = 1K');
	const chat = client(d, { queue: 4 });
	const room = chat.join('lobby');
	const stop = new AbortController();
	const first = room.send('given up', { signal: stop.signal });
	const more = [room.send('a'), rejects(room.send('x'.repeat(2000)), 'too_big'), room.send('b')];
	await rejects(room.send('one too many'), 'queue_full');
	stop.abort(new Error('enough'));
	await assert.rejects(first, /enough/);
	assert.deepEqual([(await more[0]).seq, (await more[2]).seq], [1, 2]);
	await more[1];
	await assert.rejects(room.send('b', { signal: AbortSignal.abort() }), { name: 'AbortError' });
	const silent = room.history({ signal: stop.signal });
	await assert.rejects(silent, /enough/);
	assert.equal((await room.history({ signal: AbortSignal.timeout(5000) })).messages.length, 2);

	const listener = new AbortController();
	let heard = 0;
	const count = () => heard++;
	room.on('message', () => { throw new Error('of a listener'); }, { signal: listener.signal });
	room.on('message', count);
	const { queueMicrotask } = globalThis, later = [];
	globalThis.queueMicrotask = (does) => later.push(does);
	try {
		await Promise.all([room.send('c'), room.once('message')]);
	} finally {
		globalThis.queueMicrotask = queueMicrotask;
	}
	assert.equal(heard, 1);
	assert.throws(later[0], /of a listener/); // for the page's own onerror
	listener.abort();
	room.off('message', count);
	await Promise.all([room.send('d'), room.once('message')]);
	assert.deepEqual([heard, later.length], [1, 1]);

	chat.close();
	assert.equal(chat.state, 'closed');
	await rejects(room.send('e'), 'closed');
	chat.close();
	const ended = new AbortController();
	const ending = client(d, { signal: ended.signal });
	await ending.connect();
	ended.abort();
	assert.equal(ending.state, 'closed');
	assert.equal(new Natter(d.url, { ...QUICK, signal: ended.signal }).state, 'closed');
	assert.throws(() => new Natter('http://['), TypeError);
});

test('who says much at once is not slowed down by the server, and never closed', async () => {
	const d = await start('message_rate = 100\nmessage_burst = 20\nflood_time = 1s');
	const chat = client(d), room = chat.join('lobby');
	const closes = hear(chat, 'close');
	const answers = await Promise.all(Array.from({ length: 150 }, (_, i) => room.send(`${i}`)));
	assert.deepEqual(answers.map((m) => m.seq), Array.from({ length: 150 }, (_, i) => i + 1));
	assert.equal(closes.length, 0);
});

test('what was missed comes page by page, and one may speak meanwhile; too much is a gap', async () => {
	const d = await start('message_rate = 0\nrecover_max = 600\nhistory_messages = 2000\nhistory_bytes = 16M');
	const proxy = opened(await Proxy.start(d.port));
	const ann = client(proxy), bob = client(d, { queue: 2000 });
	const a = ann.join('lobby', { history: 10 }), b = bob.join('lobby');
	const heard = hear(a, 'message'), resets = hear(a, 'reset');
	await Promise.all([a.ready, b.ready, resets.next()]);
	await b.send('first');
	await heard.next();
	proxy.refusing = true;
	proxy.cut();
	await Promise.all(Array.from({ length: 500 }, (_, i) => b.send(`${i} ${'x'.repeat(500)}`)));
	const mine = a.send('mine');
	proxy.heal();
	const { seq } = await mine;
	await heard.next((m) => m.seq === seq && m.message === 'mine');
	assert.equal(seq, 502);
	assert.equal(resets.length, 0);

	proxy.refusing = true;
	proxy.cut();
	await Promise.all(Array.from({ length: 700 }, (_, i) => b.send(`${i}`)));
	proxy.heal();
	const reset = await resets.next();
	assert.deepEqual([reset.reason, reset.messages.length, reset.messages.at(-1).message, reset.more], ['gap', 10, '699', true]);
	await b.send('and on');
	assert.equal((await heard.next()).message, 'and on');
});

test('the server has forgotten the session: what was sent and not answered is reported, not repeated', async () => {
	const d = await start('session_keep = 1s');
	const proxy = opened(await Proxy.start(d.port));
	const chat = client(proxy, { name: 'ann', pingTimeout: 300 });
	const room = chat.join('lobby'), witness = client(d).join('lobby');
	const heard = hear(witness, 'message'), resumed = [];
	await Promise.all([chat.connect(), room.ready, witness.ready]);
	chat.on('state', (state) => state === 'open' && resumed.push(chat.resumed));
	proxy.silence();
	const sent = room.send('sent into the tunnel'), asked = room.history();
	await chat.once('close');
	proxy.refusing = true;
	proxy.cut();
	const waiting = room.send('written in the tunnel');
	await sleep(2500);
	chat.options.pingTimeout = 10000; // from here on nothing is silent but by accident
	proxy.heal();
	await rejects(sent, 'outcome_unknown');
	await waiting;
	await asked;
	assert.deepEqual(resumed, [false]);
	assert.equal(chat.name, 'ann');
	assert.equal((await heard.next()).message, 'written in the tunnel');
});

test('a server that starts anew: the past is told anew', async () => {
	const d = await start();
	const chat = client(d), room = chat.join('lobby');
	const resets = hear(room, 'reset');
	await resets.next();
	await room.send('before');
	await d.kill();
	await d.run();
	assert.deepEqual(await resets.next(), { reason: 'gap', messages: [], more: false });
	assert.equal((await room.send('after')).seq, 1);
});

test('a room of another epoch, and a store that is away for a moment', async () => {
	let asked = [], epoch = 'a', socket;
	const message = (seq) => ({ type: 'usermsg', message: `${epoch} ${seq}`, room: 'lobby', seq, time: 1 });
	const server = await serve(({ type, cid, ...m }, say) => {
		asked.push(type);
		socket = say;
		if (type === 'join' && asked.length === 1)
			say({ type: 'error', cid, code: 'storage_unavailable', message: 'later' });
		else if (type === 'join')
			say({ type: 'joined', cid, room: m.room, epoch, seq: 2, members: 0, guests: 1, role: 'guest' });
		else if (asked.length === 2)
			say({ type: 'error', cid, code: 'not_joined', message: 'not yet' });
		else {
			say(message(3)); // is in the history as well
			say(message(4));
			say({ type: 'history', cid, room: m.room, epoch, more: false, messages: [message(1), message(2), message(3)] });
		}
	});
	const room = client(server).join('lobby'), told = tell(room);
	await until('4', () => told.at(-1) === 'a 4');
	assert.deepEqual(told.splice(0), ['joined', 'a 1', 'a 2', 'a 3', 'a 4']);
	assert.deepEqual(asked, ['join', 'history', 'join', 'history']);
	epoch = 'b';
	socket({ type: 'epoch', room: 'lobby', epoch, seq: 2 });
	await until('4 again', () => told.at(-1) === 'b 4');
	assert.deepEqual(told.splice(0), ['epoch', 'b 1', 'b 2', 'b 3', 'b 4']);
	assert.deepEqual([room.epoch, room.seq], ['b', 4]);
});

test('what is said between `joined` and the past: once, whatever the past has of it, also behind a gap', async () => {
	const message = (seq) => ({ type: 'usermsg', message: `${seq}`, room: 'lobby', seq, time: seq });
	const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));
	let joins = 0;
	const server = await serve(({ type, cid, since }, say) => {
		const first = joins === 0;
		if (type === 'join') {
			joins++;
			assert.equal(since?.seq, first ? undefined : 4);
			say({ type: 'joined', cid, room: 'lobby', epoch: 'a', seq: first ? 2 : 502, members: 0, guests: 1, role: 'guest', recovered: false });
			range(first ? 3 : 503, first ? 4 : 506).forEach(say); // before anything is asked, and after
		} else if (type === 'history') {
			say(message(joins === 1 ? 5 : 507));
			say({ type, cid, room: 'lobby', epoch: 'a', more: joins > 1, messages: joins === 1 ? range(1, 3) : range(500, 505) });
			say(message(joins === 1 ? 6 : 508));
		} else {
			say({ type: 'ok', cid });
		}
	});
	const chat = client(server), room = chat.join('lobby'), told = tell(room);
	// the past is asked for with the join: what the answer lacks was said behind it
	await until('6', () => told.at(-1) === '6');
	assert.deepEqual(told.splice(0), ['joined', '1', '2', '3', '4', '5', '6']);
	room.seq = 4; // ... and two of them lost with the connection
	server.clients.forEach((ws) => ws.terminate());
	await until('508', () => told.at(-1) === '508');
	assert.deepEqual(told, ['gap', '500', '501', '502', '503', '504', '505', '506', '507', '508']);
});

test('links that die: half-open ones, servers that never answer, refused ones', async () => {
	const d = await start();
	const proxy = opened(await Proxy.start(d.port));
	const chat = client(proxy, { connectTimeout: 10000, pingInterval: 150, pingTimeout: 10000 });
	const closes = hear(chat, 'close');
	await chat.connect();
	await sleep(600); // it answers pings
	assert.equal(closes.length, 0);
	Object.assign(chat.options, { connectTimeout: 300, pingTimeout: 200 });
	proxy.silence();
	await closes.next();
	await chat.connect();
	proxy.silence();
	proxy.deaf = true;
	await closes.next(); // the ping
	await closes.next(); // the handshake
	proxy.heal();
	await chat.connect();
	proxy.refusing = true;
	proxy.cut();
	for (let i = 0; i < 3; i++)
		assert.deepEqual([(await closes.next()).final], [false]);
	proxy.heal();
	await chat.connect();
});

test('sockets that tell of a failed handshake by `error` alone, or not at all', async () => {
	const made = [];
	class Mute {
		readyState = 0;

		constructor(url, protocols) {
			made.push([url, protocols]);
			if (made.length === 1)
				setTimeout(() => this.onerror({}));
		}

		send() {}

		close() {}
	}
	const chat = opened(new Natter('https://chat.example.com/a?b=c', { WebSocket: Mute, minDelay: 5, connectTimeout: 30 }));
	const closes = hear(chat, 'close');
	for (let i = 0; i < 3; i++)
		await closes.next();
	assert.deepEqual(made[2], ['wss://chat.example.com/a?b=c', ['natter.v1']]);
	chat.close();
	assert.deepEqual([(await closes.next((c) => c.final)).error.code], ['closed']);
});

test('the verdict of close codes', async () => {
	const server = await serve();
	const url = server.url;
	let code;
	server.on('connection', (ws) => ws.close(code, 'why'));
	for (const [it, final, says] of [[1000, true, 'closed'], [1001, false], [1002, true, 'closed'], [1003, true, 'closed'],
		[1007, true, 'closed'], [1009, true, 'closed'], [1011, false], [1012, false], [1013, false], [4000, false], [4001, false],
		[4002, false], [4003, false], [4499, false], [4500, true, 'rate_limited'], [4501, true, 'replaced'],
		[4502, true, 'login_needed'], [4503, true, 'banned'], [4999, true, 'closed']]) {
		code = it;
		const chat = new Natter(url, QUICK);
		const close = await chat.once('close');
		assert.deepEqual([close.code, close.reason, close.final, close.error?.code], [it, 'why', final, says]);
		assert.equal(chat.state, final ? 'closed' : 'waiting');
		assert.ok(final || (close.delay >= 0 && close.delay <= 20));
		chat.close();
	}
});

test('waits longer each time, by chance, and wakes when the network is back', async () => {
	const listeners = {}, random = Math.random, delays = [];
	globalThis.addEventListener = (type, does, { signal }) => {
		listeners[type] = does;
		signal.addEventListener('abort', () => delete listeners[type]);
	};
	Math.random = () => 0.999;
	try {
		const proxy = opened(await Proxy.start(1)); // nobody is behind it
		proxy.refusing = true;
		const chat = client(proxy, { minDelay: 8, maxDelay: 40 });
		const closes = hear(chat, 'close');
		for (let i = 0; i < 5; i++)
			delays.push(Math.round((await closes.next()).delay));
		assert.deepEqual(delays, [8, 16, 32, 40, 40]);
		chat.options.minDelay = chat.options.maxDelay = 60000;
		for (; (await closes.next()).delay < 50000;);
		listeners.online();
		assert.equal(chat.state, 'connecting');
		await closes.next();
		listeners.visibilitychange();
		assert.equal(chat.state, 'connecting');
		chat.close();
		assert.deepEqual(Object.keys(listeners), []);
	} finally {
		Math.random = random;
		delete globalThis.addEventListener;
	}
});

test('on waking a dead link is found out', async () => {
	const listeners = {};
	globalThis.addEventListener = (type, does) => { listeners[type] = does; };
	try {
		const d = await start();
		const proxy = opened(await Proxy.start(d.port));
		const chat = client(proxy, { pingTimeout: 6000 });
		const closes = hear(chat, 'close');
		await chat.connect();
		listeners.online();
		await sleep(2500);
		assert.equal(closes.length, 0);
		chat.options.pingTimeout = 600;
		proxy.silence();
		listeners.pageshow();
		await closes.next();
		await chat.connect();
	} finally {
		delete globalThis.addEventListener;
	}
});

test('the session survives a reload, and a copied tab does not take it', async () => {
	const d = await start();
	const kept = new Map(), listeners = {};
	const storage = { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: (k) => kept.delete(k) };
	globalThis.addEventListener = (type, does) => { listeners[type] = does; };
	try {
		const page = client(d, { name: 'ann', storage });
		await page.connect();
		assert.equal(kept.size, 0);
		listeners.pagehide();
		assert.equal(kept.size, 1);
		const replaced = page.once('close');
		const next = client(d, { storage });
		await next.connect();
		assert.deepEqual([next.name, next.resumed, kept.size], ['ann', true, 0]);
		assert.equal((await replaced).error.code, 'replaced');
	} finally {
		delete globalThis.addEventListener;
	}
});
