/*
 * natter.js: the client of natterd, the chat server. It speaks natter.v1 (see natter-protocol(7)),
 * connects again by itself, loses nothing and says nothing twice. Without dependencies; natter.d.ts and
 * README.md say what there is.
 *
 *     const chat = new Natter('wss://chat.example.com');
 *     const room = chat.join('lobby');
 *     room.on('message', (m) => show(m.name, m.message));
 *     await room.send('hi');
 */
(() => {
'use strict';

const DEFAULTS = {
	history: 50, // messages of the past to begin with
	queue: 200, // requests that may wait for their answers
	minDelay: 1000, maxDelay: 30000, // before connecting again: by chance up to this, twice as long each time
	connectTimeout: 10000, pingInterval: 25000, pingTimeout: 10000,
};
const FINAL = [1000, 1002, 1003, 1007, 1009]; // close codes that say "do not come again", as do 4500 and up
const VERDICTS = { 4500: 'rate_limited', 4501: 'replaced', 4502: 'login_needed', 4503: 'banned' };
const ANSWERS = /^(ok|error|joined|who|history|rooms|conversations|pong)$/;
const COST = { resume: 5, auth: 5, name: 5, join: 5, rooms: 5, conversations: 5, edit: 2, delete: 2, who: 2, history: 2 };
const REPEATABLE = /^(who|history|rooms|conversations|read|name)$/; // asking twice does no harm
const OURS = /^(joined|reset|message|relay|left|state)$/; // events that no relayed type may pass for
const HELD_MAX = 10000;

class NatterError extends Error {
	constructor(code, message = code, retryAfter, cause) {
		super(message, { cause });
		this.name = 'NatterError';
		this.code = code;
		this.retryAfter = retryAfter;
	}
}

function deferred() {
	const d = {};
	d.promise = new Promise((resolve, reject) => Object.assign(d, { resolve, reject }));
	d.promise.catch(() => {}); // who does not wait for it is not bothered
	return d;
}

function said(message) {
	return typeof message === 'string' ? { message } : message;
}

function soon(what) {
	setTimeout(what, 1000 + Math.random() * 1000);
}

class Emitter {
	#listeners = new Map();

	on(type, listener, { signal } = {}) {
		if (signal?.aborted)
			return this;
		if (!this.#listeners.has(type))
			this.#listeners.set(type, new Set());
		this.#listeners.get(type).add(listener);
		signal?.addEventListener('abort', () => this.off(type, listener));
		return this;
	}

	off(type, listener) {
		this.#listeners.get(type)?.delete(listener);
		return this;
	}

	once(type, { signal } = {}) {
		return new Promise((resolve, reject) => {
			const done = (value) => {
				this.off(type, done);
				resolve(value);
			};
			const aborted = () => {
				this.off(type, done);
				reject(signal.reason);
			};
			if (signal?.aborted)
				return aborted();
			signal?.addEventListener('abort', aborted);
			this.on(type, done);
		});
	}

	_emit(type, value) {
		for (const listener of [...this.#listeners.get(type) ?? []])
			try {
				listener(value);
			} catch (error) { // the page's, and no reason for us to stop
				queueMicrotask(() => { throw error; });
			}
	}
}

/* What has an order of messages: a room, or a conversation with a user. */
class Place extends Emitter {
	seq; // of the last message that was told
	epoch; // which order that is in; undefined: what came before is to be told anew
	_held; // what comes while the past is being asked for
	_own = new Map(); // seq: cid, of ours that are stored and have not come yet

	constructor(chat, where, history) {
		super();
		this.chat = chat;
		this._where = where;
		this._history = history;
	}

	_ask(request, options) {
		return this.chat._ask({ ...request, ...this._where }, options, this);
	}

	send(message, options) {
		return this._ask({ ...said(message), type: 'message' }, options);
	}

	edit(seq, message, options) {
		return this._ask({ ...said(message), type: 'edit', seq }, options);
	}

	delete(seq, options) {
		return this._ask({ type: 'delete', seq }, options);
	}

	history({ before, after, limit = 50, ...options } = {}) {
		return this._ask({ type: 'history', before, after, limit }, options);
	}

	async read(seq, options) {
		return this.readSeq = (await this._ask({ type: 'read', seq }, options)).seq;
	}

	_receive(m) {
		if (this._held) {
			if (this._held.push(m) > HELD_MAX)
				this.chat._lost(); // to begin anew
			return;
		}
		if (m.seq <= this.seq)
			return;
		this.seq = m.seq;
		delete m.cid;
		if (this._own.has(m.seq))
			m.cid = this._own.get(m.seq);
		this._own.delete(m.seq);
		if (m.type !== 'deleted') // since it was said
			this._emit(m.target ? m.type : 'message', m);
	}

	_release() {
		const held = this._held ?? [];
		this._held = null;
		held.forEach((m) => this._receive(m));
	}

	/* Asks for the past, tells it by `reset`, then what came meanwhile. */
	_refresh(reason) {
		const { chat } = this, ws = chat._ws, asking = this._asking = {};
		this._held ??= [];
		this.epoch = undefined;
		chat._now({ type: 'history', limit: this._history || 1, ...this._where }, (m) => {
			if (asking !== this._asking)
				return;
			const messages = this._history ? m.messages : [];
			this.seq = m.messages.at(-1)?.seq ?? this.seq;
			this.epoch = m.epoch;
			this._emit('reset', { reason, messages, more: m.more || messages !== m.messages && m.messages.length > 0 });
			this._release();
		}, (error) => {
			if (error.code === 'storage_unavailable')
				soon(() => ws === chat._ws && asking === this._asking && this._refresh(reason));
		});
	}

	/* The connection is gone, and what was held comes again on the next. */
	_away() {
		this._held = this._asking = null;
	}
}

class Room extends Place {
	state = 'joining'; // joined, left
	_entered = false; // join is sent
	members = 0;
	guests = 0;
	topic = '';
	_up = deferred();

	constructor(chat, name, history) {
		super(chat, { room: name }, history);
		this.name = name;
	}

	get ready() {
		return this._up.promise;
	}

	/* Resolves when nothing of the room comes any more. */
	leave() {
		const left = deferred();
		if (this._entered)
			this.chat._now({ type: 'leave', room: this.name }, () => left.resolve(), () => left.resolve());
		else
			left.resolve();
		this._gone(new NatterError('not_joined', 'you have left this room'));
		return left.promise;
	}

	who({ after, limit, ...options } = {}) {
		return this._ask({ type: 'who', after, limit }, options);
	}

	kick(who, options) {
		return this.#discipline('kick', who, options);
	}

	ban(who, duration, options) {
		return this.#discipline('ban', who, options, duration);
	}

	mute(who, duration, options) {
		return this.#discipline('mute', who, options, duration);
	}

	#discipline(type, who, { reason, ...options } = {}, duration) {
		return this._ask({ type, ...typeof who === 'string' ? { name: who } : who, duration, reason }, options);
	}

	setTopic(topic, options) {
		return this._ask({ type: 'topic', topic }, options);
	}

	/* For now only: whether it could be sent. */
	relay(type, members) {
		return this.state === 'joined' && this.chat._say({ ...members, type, room: this.name });
	}

	typing() {
		if (Date.now() - (this._typed ?? 0) > 2500 && this.relay('typing'))
			this._typed = Date.now();
	}

	/* On a new connection, behind resume and auth. */
	_enter() {
		const { chat } = this, ws = chat._ws, since = this.epoch && { epoch: this.epoch, seq: this.seq };
		this._entered = true;
		chat._now({ type: 'join', room: this.name, since, history: 0 }, (m) => {
			if (this.state === 'left')
				return;
			const { members, guests, role, topic = '', read } = m;
			Object.assign(this, { members, guests, role, topic, readSeq: read, state: 'joined' });
			if (!m.recovered)
				this.seq = m.seq;
			if (since && !m.recovered)
				this._refresh('gap');
			this._emit('joined', m);
			this._up.resolve(this);
			chat._flush();
		}, (error) => {
			this._entered = false;
			if (error.code === 'storage_unavailable')
				soon(() => ws === chat._ws && this.state !== 'left' && this._enter());
			else if (error.code !== 'connection_lost')
				this._gone(error);
		});
		if (!since)
			this._refresh('joined');
	}

	_away() {
		super._away();
		this._entered = false;
		this.state = 'joining';
	}

	_gone(error) {
		if (this.state === 'left')
			return;
		this.state = 'left';
		this._entered = false;
		this.chat._rooms.delete(this.name);
		this.chat._drop((e) => e.place === this && !e.ws, error);
		this._up.reject(error);
		this._emit('left', error);
	}

	_event(m) {
		if ('seq' in m && m.type !== 'epoch')
			return this._receive(m);
		if (m.type === 'presence')
			Object.assign(this, { members: m.members, guests: m.guests });
		if (m.type === 'topic')
			this.topic = m.topic;
		if (m.type === 'epoch') {
			this.seq = m.seq;
			return this._refresh('epoch');
		}
		if (/^(presence|topic|muted|kicked)$/.test(m.type)) {
			this._emit(m.type, m);
			if (m.type === 'kicked')
				this._gone(new NatterError('kicked', m.reason ?? 'you were put out of this room', m.banned));
		} else {
			this._emit('relay', m);
			if (!OURS.test(m.type))
				this._emit(m.type, m);
		}
	}
}

/* The direct messages with another user. */
class Conversation extends Place {
	constructor(chat, user, history) {
		super(chat, { with: user }, history);
		this.user = user;
	}

	_emit(type, value) {
		super._emit(type, value);
		if (type === 'message')
			this.chat._emit('direct', value);
	}

	/* What was said while we were away. */
	_catchUp() {
		this._held ??= [];
		this.chat._now({ type: 'history', after: this.seq, limit: 200, ...this._where }, (m) => {
			if (this.epoch && this.epoch !== m.epoch)
				return this._refresh('epoch');
			const held = this._held;
			this.epoch = m.epoch;
			this._held = null;
			m.messages.forEach((it) => this._receive(it));
			this._held = held;
			return m.more ? this._catchUp() : this._release();
		}, () => this._release());
	}
}

class Natter extends Emitter {
	static Error = NatterError;

	state = 'closed'; // connecting, open, waiting
	name = null;
	user = null;
	role = 'guest';
	limits = {};
	_rooms = new Map();
	_ws = null;
	#up = deferred();
	#entering = false; // rooms are joined on this connection
	#conversations = new Map();
	#directs = null; // that come before we know what was missed
	#directsOf; // the user whose conversations we have looked at
	#pending = new Map(); // cid: request without an answer
	#unique = Date.now().toString(36) + Math.random().toString(36).slice(2);
	#cid = 0;
	#session = null;
	#attempts = 0;
	#openSince = 0;
	#timer; // of connecting
	#beat;
	#flushing;
	#heard; // when the server spoke last
	#pinged;
	#due = 0; // until then message_rate allows what was sent
	#events; // ends our listening to the window

	constructor(url = '/', options = {}) {
		super();
		this.url = new URL(url, globalThis.location?.href);
		this.url.protocol = this.url.protocol.replace('http', 'ws');
		this.url.hash = '';
		this.options = { WebSocket: globalThis.WebSocket, ...DEFAULTS, ...options };
		options.signal?.addEventListener('abort', () => this.close());
		if (options.connect !== false && !options.signal?.aborted)
			this.connect();
	}

	/* ---- what pages call ---- */

	connect() {
		if (this.state === 'closed')
			this.#up = deferred();
		if (!this._ws)
			this.#open();
		return this.#up.promise;
	}

	close() {
		this.#end(new NatterError('closed', 'the chat was closed'));
	}

	join(name, { history = this.options.history, signal } = {}) {
		const room = this._rooms.get(name) ?? new Room(this, name, history);
		if (!this._rooms.has(name)) {
			this._rooms.set(name, room);
			if (this.#entering)
				room._enter();
		}
		signal?.addEventListener('abort', () => room.leave());
		return room;
	}

	/* HISTORY: tell so much of it by `reset`. */
	with(user, { history } = {}) {
		const it = this.#conversations.get(user) ?? new Conversation(this, user, history);
		this.#conversations.set(user, it);
		if (history !== undefined) {
			it._history = history;
			if (this.state === 'open' && !it.epoch)
				it._refresh('joined');
		}
		return it;
	}

	direct(to, message, options) {
		return to.user ? this.with(to.user).send(message, options)
			: this._ask({ ...said(message), type: 'direct', to: to.name ?? to }, options);
	}

	async rename(name, options) {
		const m = await this._ask({ type: 'name', name }, options);
		return this.options.name = this.name = m.name;
	}

	async auth(token) {
		const late = this._ws; // for this connection's own login
		this.options.token = token;
		await this.connect();
		if (late)
			await new Promise((done, failed) => this.#login(done, failed));
	}

	rooms({ after, limit, ...options } = {}) {
		return this._ask({ type: 'rooms', after, limit }, options);
	}

	conversations(options) {
		return this._ask({ type: 'conversations' }, options);
	}

	/* ---- requests ---- */

	_ask(request, { signal, cid = this.#newCid() } = {}, place) {
		return new Promise((resolve, reject) => {
			const refuse = (code, message) => reject(new NatterError(code, message));
			if (signal?.aborted)
				return reject(signal.reason);
			if (this.state === 'closed')
				return refuse('closed', 'the chat is closed');
			if (place?.state === 'left')
				return refuse('not_joined', 'you are not in this room');
			if (this.#pending.size >= this.options.queue)
				return refuse('queue_full', 'too many requests wait for their answers');
			const abort = () => this._drop((e) => e.cid === cid, signal.reason);
			const last = (does) => (value) => {
				signal?.removeEventListener('abort', abort);
				does(value);
			};
			signal?.addEventListener('abort', abort);
			this.#pending.set(cid, { cid, text: JSON.stringify({ ...request, cid }), type: request.type, place,
				resolve: last(resolve), reject: last(reject) });
			this._flush();
		});
	}

	/* On this connection or not at all; RESOLVE and REJECT are called before the next message is looked at. */
	_now(request, resolve, reject) {
		const cid = this.#newCid(), { type } = request;
		this.#pending.set(cid, { cid, type, ws: this._ws, now: true, resolve, reject });
		this.#pay(type, true);
		this.#write(JSON.stringify({ ...request, cid }));
	}

	/* Without an answer, if that is possible at once. */
	_say(message) {
		const can = this.state === 'open' && this.#pay() <= 0;
		if (can)
			this.#write(JSON.stringify(message));
		return can;
	}

	#newCid() {
		return `${this.#unique}.${++this.#cid}`;
	}

	#write(text) {
		try {
			this._ws.send(text);
		} catch { /* it is closing, and we shall hear of it */ }
	}

	/* For how many ms message_rate makes a request wait; 0 or less: it is counted. */
	#pay(type, anyway) {
		const { message_rate: rate, message_burst: burst } = this.limits;
		const each = rate ? 1050 / rate : 0, now = Date.now();
		const due = Math.max(this.#due, now) + (COST[type] ?? 1) * each;
		const wait = each && due - now - burst * each * 0.9;
		if (anyway || wait <= 0)
			this.#due = due;
		return wait;
	}

	_flush() {
		clearTimeout(this.#flushing);
		for (const e of this.state === 'open' ? [...this.#pending.values()] : []) {
			if (e.ws || (e.place?.state ?? 'joined') !== 'joined')
				continue;
			const error = this.#objection(e);
			if (error) {
				this._drop((it) => it === e, error);
				continue;
			}
			const wait = this.#pay(e.type);
			if (wait > 0) {
				this.#flushing = setTimeout(() => this._flush(), wait);
				return;
			}
			e.ws = this._ws;
			e.sender = this.#sender;
			e.since ??= Date.now();
			this.#write(e.text);
		}
	}

	/* Why E cannot be sent: it is too long, or it was sent before and the server may not know that it was. */
	#objection({ text, type, since, sender }) {
		if (new TextEncoder().encode(text).length > this.limits.max_message)
			return new NatterError('too_big', 'the message is too long');
		if (since && !REPEATABLE.test(type) && (type !== 'message' || sender !== this.#sender ||
				Date.now() - since > this.limits.cid_keep * 900))
			return new NatterError('outcome_unknown', 'the connection broke: this may have been done, or not');
	}

	/* Under whom the server remembers cids. */
	get #sender() {
		return this.user ? `user ${this.user}` : this.#session;
	}

	_drop(which, error) {
		for (const e of [...this.#pending.values()].filter(which)) {
			this.#pending.delete(e.cid);
			e.reject(error);
		}
	}

	/* ---- the connection ---- */

	#set(state) {
		this.state = state;
		this._emit('state', state);
	}

	#open() {
		clearTimeout(this.#timer);
		this.#listen();
		this.#store('take');
		let ws;
		try {
			ws = this._ws = new this.options.WebSocket(this.url.href, ['natter.v1']);
		} catch (error) {
			this.#end(new NatterError('no_websocket', error.message, undefined, error));
			return;
		}
		const mine = (does) => (event) => ws === this._ws && does(event);
		ws.onmessage = mine(({ data }) => this.#receive(JSON.parse(data)));
		ws.onclose = mine(({ code, reason }) => this._lost(code, reason));
		ws.onerror = mine(() => this.#heard || this._lost()); // not everywhere does `close` follow a failed handshake
		this.#heard = 0;
		this.#timer = setTimeout(mine(() => this._lost(1006, 'the server did not answer')), this.options.connectTimeout);
		this.#set('connecting');
	}

	/* The server has spoken first. */
	#hello({ session, name = null, user = null, role = 'guest', limits, room, version, anonymous }) {
		const ws = this._ws, resumed = this.#session;
		let waiting = 1, claimed = false;
		const step = () => --waiting || this.#begin(claimed);
		const failed = (error) => {
			if (ws !== this._ws)
				return;
			if (error.code === 'storage_unavailable' || !(error instanceof NatterError))
				this._lost(1006, error.message);
			else
				this.#end(error);
		};
		Object.assign(this, { name, user, role, limits, room, version, anonymous, resumed: false });
		this.#due = 0;
		this.#watch();
		if (resumed) {
			waiting++;
			this._now({ type: 'resume', session: resumed }, (m) => {
				this.#become(m);
				this.resumed = true;
				step();
			}, (error) => {
				if (error.code !== 'session_unknown')
					return failed(error);
				this.#session = session;
				step();
			});
		} else {
			this.#session = session;
		}
		this.#token((token) => {
			if (ws !== this._ws)
				return;
			if (token) {
				waiting++;
				this.#auth(token, step, failed);
			} else if (!resumed) {
				claimed = true;
				this.#claim();
			}
			this.#entering = true;
			this._rooms.forEach((it) => it._enter());
			step();
		}, failed);
	}

	/* We are who we are, and may speak. */
	#begin(claimed) {
		clearTimeout(this.#timer);
		this.#openSince = Date.now();
		if (!claimed)
			this.#claim();
		if (this.user)
			this.#lookForDirects();
		this.#set('open');
		this.#up.resolve(this);
		this._flush();
	}

	/* The connection is gone, or not worth waiting for. */
	_lost(code = 1006, reason = '') {
		const { minDelay, maxDelay } = this.options;
		if (FINAL.includes(code) || code >= 4500)
			return this.#end(new NatterError(VERDICTS[code] ?? 'closed', reason || `closed by ${code}`), code, reason);
		if (this.#openSince && Date.now() - this.#openSince > 5 * minDelay)
			this.#attempts = 0;
		if (this.state === 'open')
			this.#up = deferred();
		this.#hangUp();
		const delay = Math.random() * Math.min(maxDelay, minDelay * 2 ** this.#attempts++);
		this.#timer = setTimeout(() => this.#open(), delay);
		this.#set('waiting');
		this._emit('close', { code, reason, final: false, delay });
	}

	/* For good, or until connect(). */
	#end(error, code = 1000, reason = error.message) {
		if (this.state === 'closed')
			return;
		this.#events?.abort();
		this.#events = null;
		this.#hangUp();
		this._drop(() => true, error);
		this.#up.reject(error);
		this.#set('closed');
		this._emit('close', { code, reason, final: true, error });
	}

	#hangUp() {
		const ws = this._ws;
		this._ws = null;
		this.#entering = false;
		this.#openSince = this.#pinged = 0;
		for (const timer of [this.#timer, this.#beat, this.#flushing])
			clearTimeout(timer);
		ws?.close();
		this._rooms.forEach((it) => it._away());
		this.#conversations.forEach((it) => it._away());
		this.#directs = this.#directsOf ? [] : null;
		this._drop((e) => e.now, new NatterError('connection_lost'));
		this._drop((e) => e.place?.state === 'left', new NatterError('outcome_unknown'));
		this.#pending.forEach((e) => { e.ws = null; });
	}

	/* ---- who we are ---- */

	#become({ name, user, role }) {
		this.name = name ?? this.name;
		this.user = user ?? this.user;
		this.role = role ?? this.role;
	}

	#token(then, failed) {
		const { token } = this.options;
		if (typeof token === 'function')
			Promise.resolve().then(token).then(then, failed);
		else
			then(token);
	}

	#auth(token, done, failed) {
		this._now({ type: 'auth', token }, (m) => {
			this.#become(m);
			done();
		}, failed);
	}

	#login(done, failed) {
		const ws = this._ws;
		this.#token((token) => ws && ws === this._ws ? this.#auth(token, done, failed) : done(), failed);
	}

	#claim() {
		const { name } = this.options;
		if (name && !this.name)
			this._now({ type: 'name', name }, (m) => { this.name = m.name; },
				(error) => error.code === 'connection_lost' || this._emit('error', error));
	}

	/* ---- what comes ---- */

	#receive(m) {
		this.#heard = Date.now();
		if (ANSWERS.test(m.type) && m.cid)
			this.#answer(m, this.#pending.get(m.cid));
		else if (m.type === 'welcome')
			this.#hello(m);
		else if (m.type === 'direct' || m.between)
			this.#direct(m);
		else if (m.room !== undefined)
			this._rooms.get(m.room)?._event(m);
		else if (m.type === 'error')
			this._emit('error', new NatterError(m.code, m.message, m.retry_after));
		else
			this.#event(m);
	}

	#answer(m, e) {
		if (!e)
			return;
		this.#pending.delete(m.cid);
		if (m.type === 'error')
			return e.reject(new NatterError(m.code, m.message, m.retry_after));
		if (e.type === 'message' && !(m.seq <= e.place.seq))
			e.place._own.set(m.seq, m.cid);
		e.resolve(m);
	}

	#event(m) {
		if (m.type === 'renamed')
			this.name = m.name;
		this._emit(m.type, m);
		if (m.type === 'token_expiring' && typeof this.options.token === 'function')
			this.#login(() => {}, (error) => this._emit('error', error));
	}

	#direct(m) {
		if (!m.between)
			this._emit('direct', m);
		else if (!this.#directs)
			this.with(m.between.find((user) => user !== this.user) ?? this.user)._receive(m);
		else if (this.#directs.push(m) > HELD_MAX)
			this._lost();
	}

	/* Which conversations went on while we were away? */
	#lookForDirects() {
		const again = this.#directsOf === this.user;
		const go = () => {
			const held = this.#directs ?? [];
			this.#directs = null;
			held.forEach((m) => this.#direct(m));
		};
		this._now({ type: 'conversations' }, ({ conversations }) => {
			const seen = new Map(conversations.map((c) => [c.with, c]));
			this.#directsOf = this.user;
			seen.forEach((c, user) => {
				const it = this.with(user);
				it.readSeq = c.read;
				it.seq ??= again ? c.read ?? 0 : c.seq;
				if (c.seq > it.seq)
					it._catchUp();
				else if (c.seq < it.seq)
					it._refresh('epoch');
			});
			go();
		}, go);
	}

	/* ---- is anybody there? ---- */

	#watch() {
		const { pingInterval, pingTimeout } = this.options, now = Date.now();
		const busy = [...this.#pending.values()].some((e) => e.ws);
		if (this.#pinged > this.#heard) {
			if (now - this.#pinged > pingTimeout)
				return this._lost(4000, 'the server is silent');
		} else if (now - this.#heard > (busy ? pingTimeout / 2 : pingInterval)) {
			this.#ping();
		}
		this.#beat = setTimeout(() => this.#watch(), pingTimeout / 4);
	}

	#ping() {
		this.#pinged = Date.now();
		this._now({ type: 'ping' }, () => {}, () => {});
	}

	/* The network is back, or somebody looks at the page again, or leaves it. */
	#listen() {
		if (this.#events)
			return;
		this.#events = new AbortController();
		for (const type of ['online', 'pageshow', 'pagehide', 'visibilitychange'])
			globalThis.addEventListener?.(type, () => {
				if (type === 'pagehide' || (type === 'visibilitychange' && document.hidden))
					return this.#store('put');
				this.#store('take');
				this.#wake();
			}, { signal: this.#events.signal });
	}

	#wake() {
		const ws = this._ws, at = this.#heard;
		if (this.state === 'waiting') {
			this.#attempts = 0;
			this.#open();
		} else if (this.state === 'open') {
			this.#ping();
			setTimeout(() => ws === this._ws && at === this.#heard && this._lost(4000, 'the server is silent'),
				this.options.pingTimeout / 3);
		}
	}

	/* The session lies there only while the page does not run: a copied tab must not take it. */
	#store(how) {
		const { storage } = this.options, key = `natter ${this.url}`;
		try {
			if (how === 'put' && this.#session)
				storage?.setItem(key, this.#session);
			if (how === 'take') {
				this.#session ??= storage?.getItem(key) ?? null;
				storage?.removeItem(key);
			}
		} catch { /* a browser that keeps nothing */ }
	}
}

globalThis.Natter = Natter;
})();
