/* natter.js: a client of natterd, in natter.v1. See natter.d.ts. */
(() => {
const DEFAULTS = {
	history: 50, queue: 200,
	minDelay: 1000, maxDelay: 30000, connectTimeout: 10000, pingInterval: 25000, pingTimeout: 10000, // ms
};
const FINAL = [1000, 1002, 1003, 1007, 1009]; // and from 4500 on: do not come back
const VERDICTS = { 4500: 'rate_limited', 4501: 'replaced', 4502: 'login_needed', 4503: 'banned' };
const ANSWERS = /^(ok|error|joined|who|history|rooms|conversations)$/;
const REPEATABLE = /^(who|history|rooms|conversations|read|name)$/;
const CHEAP = /^(message|read|direct|relay)$/; // others count up to 5
const HELD_MAX = 1e4;

class NatterError extends Error {
	name = 'NatterError';

	constructor(code, message = code, retryAfter) {
		super(message);
		Object.assign(this, { code, retryAfter });
	}
}

function deferred() {
	const it = {};
	it.promise = new Promise((resolve, reject) => Object.assign(it, { resolve, reject }));
	it.promise.catch(() => {});
	return it;
}

const said = (message) => typeof message === 'string' ? { message } : message;
const whom = (who) => typeof who === 'string' ? { name: who } : who;

class Emitter {
	#listeners = new Map();

	on(type, listener, { signal } = {}) {
		if (!this.#listeners.has(type))
			this.#listeners.set(type, new Set());
		if (!signal?.aborted)
			this.#listeners.get(type).add(listener);
		signal?.addEventListener('abort', () => this.off(type, listener));
		return this;
	}

	off(type, listener) {
		this.#listeners.get(type)?.delete(listener);
		return this;
	}

	once(type) {
		return new Promise((resolve) => {
			const done = (value) => resolve(value, this.off(type, done));
			this.on(type, done);
		});
	}

	_emit(type, value) {
		for (const listener of [...this.#listeners.get(type) ?? []])
			try {
				listener(value);
			} catch (error) { // the page's
				queueMicrotask(() => { throw error; });
			}
	}
}

/* A room or a conversation; all up to `seq` of `epoch` was told. */
class Place extends Emitter {
	_own = new Map(); // seq: cid, of what is stored and has not come

	constructor(members) {
		super();
		Object.assign(this, members);
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

	history(options) {
		return this._ask({ type: 'history' }, options);
	}

	async read(seq, options) {
		return this.readSeq = (await this._ask({ type: 'read', seq }, options)).seq;
	}

	_receive(m, sure) {
		if (this._held)
			return this._held.push(m) > HELD_MAX && this.chat._lost();
		if (m.seq <= this.seq && !(m.time > this._time))
			return;
		if (m.seq > this.seq + 1 && this.user && !sure) {
			this._held = [m];
			return this._fetch();
		}
		this.seq = m.seq;
		this._time = m.time;
		m.cid = this._own.get(m.seq);
		this._own.delete(m.seq);
		if (m.type !== 'deleted')
			this._emit(/^(edit|delete)$/.test(m.type) ? m.type : 'message', m);
	}

	/* Asks for what was missed, or with REASON for the past. */
	_fetch(reason) {
		const { chat, seq: after, _history: limit } = this, asking = this._asking = {};
		this._held ??= [];
		if (reason)
			this.epoch = undefined;
		chat._now({ type: 'history', ...reason ? { limit } : { after, limit: 200 }, ...this._where }, (m) => {
			const { messages, more, epoch } = m, held = this._held;
			if (asking !== this._asking)
				return;
			if (this.epoch && this.epoch !== epoch)
				return this._fetch('epoch');
			this.epoch = epoch;
			this._held = null;
			if (reason) {
				this.seq = messages.at(-1)?.seq ?? this.seq;
				this._time = messages.at(-1)?.time;
				for (const m of messages)
					m.cid = this._own.get(m.seq);
				this._emit('reset', { reason, messages, more });
			} else {
				messages.forEach((it) => this._receive(it, true));
			}
			if (more && !reason) {
				this._held = held;
				return this._fetch();
			}
			held.forEach((it) => this._receive(it, true));
		}, (error) => chat._later(error, () => asking === this._asking && this._fetch(reason)));
	}

	_away() {
		this._held = this._asking = null;
	}
}

class Room extends Place {
	state = 'joining';
	members = 0;
	guests = 0;
	topic = '';
	#up = deferred();
	#entered = false;

	get ready() {
		return this.#up.promise;
	}

	leave() {
		return new Promise((resolve) => {
			const done = () => resolve();
			if (this.#entered)
				this.chat._now({ type: 'leave', ...this._where }, done, done);
			else
				done();
			this.#gone(new NatterError('not_joined'));
		});
	}

	who(options) {
		return this._ask({ type: 'who' }, options);
	}

	kick(who, options) {
		return this._ask({ type: 'kick', ...whom(who) }, options);
	}

	ban(who, duration, options) {
		return this._ask({ type: 'ban', ...whom(who), duration }, options);
	}

	mute(who, duration, options) {
		return this._ask({ type: 'mute', ...whom(who), duration }, options);
	}

	setTopic(topic, options) {
		return this._ask({ type: 'topic', topic }, options);
	}

	relay(type, members) {
		return this.state === 'joined' && this.chat._say({ ...members, type, ...this._where });
	}

	typing() {
		if (!(Date.now() - this._typed < 2500) && this.relay('typing'))
			this._typed = Date.now();
	}

	_enter() {
		const { chat, epoch, seq } = this, since = epoch && { epoch, seq };
		this.#entered = true;
		chat._now({ type: 'join', since, history: 0, ...this._where }, (m) => {
			if (this.state === 'left')
				return;
			this.state = 'joined';
			this.#note({ topic: '', ...m });
			this.readSeq = m.read;
			if (!m.recovered)
				this.seq = m.seq;
			if (since && !m.recovered)
				this._fetch('gap');
			this._emit('joined', m);
			this.#up.resolve(this);
			chat._flush();
		}, (error) => {
			if (!chat._later(error, () => this.state === 'left' || this._enter()))
				this.#gone(error);
		});
		if (!since)
			this._fetch('joined');
	}

	_away() {
		super._away();
		this.#entered = false;
		this.state = 'joining';
	}

	_over(error) {
		this.#up.reject(error);
		this.#up = deferred();
	}

	#gone(error) {
		if (this.state === 'left')
			return;
		this.state = 'left';
		this.#entered = false;
		this.chat._rooms.delete(this.name);
		this.chat._drop((e) => e.place === this && !e.ws, error);
		this.#up.reject(error);
		this._emit('left', error);
	}

	#note(m) {
		for (const it of ['members', 'guests', 'topic', 'role'])
			this[it] = m[it] ?? this[it];
	}

	_event(m) {
		const { type } = m;
		if (type === 'epoch') {
			this.seq = m.seq;
			this._fetch(type);
		} else if (m.seq) {
			this._receive(m);
		} else if (/^(presence|topic|muted|kicked)$/.test(type)) {
			this.#note(m);
			this._emit(type, m);
			if (type === 'kicked')
				this.#gone(new NatterError(type, m.reason, m.banned));
		} else {
			this._emit(type === 'typing' ? type : 'relay', m);
		}
	}
}

class Conversation extends Place {
	_begin() {
		if (this._history && !this.epoch && !this._held)
			this._fetch('joined');
	}

	_emit(type, value) {
		super._emit(type, value);
		if (type === 'message')
			this.chat._emit('direct', value);
	}
}

class Natter extends Emitter {
	static Error = NatterError;
	state = 'closed';
	limits = {};
	_rooms = new Map();
	#up = deferred();
	#ws = null;
	#entering = false;
	#conversations = new Map();
	#directs = null; // held until it is known what was missed
	#pending = new Map(); // cid: request without an answer
	#unique = Date.now().toString(36) + Math.random().toString(36).slice(2);
	#cids = 0;
	#attempts = 0;
	#session; #directsOf; #openSince; #heard; #pinged; #due; #timer; #beat; #flushing; #events;

	constructor(url = '/', options = {}) {
		super();
		this.url = new URL(url, globalThis.location?.href);
		this.url.protocol = this.url.protocol.replace('http', 'ws');
		this.options = { WebSocket: globalThis.WebSocket, ...DEFAULTS, ...options };
		this.#become({});
		options.signal?.addEventListener('abort', () => this.close());
		if (!options.signal?.aborted)
			this.connect();
	}

	connect() {
		if (this.state === 'closed')
			this.#up = deferred();
		if (!this.#ws)
			this.#open();
		return this.#up.promise;
	}

	close() {
		this.#end(new NatterError('closed'));
	}

	join(name, { history = this.options.history } = {}) {
		let room = this._rooms.get(name);
		if (!room) {
			room = new Room({ chat: this, name, _where: { room: name }, _history: history });
			this._rooms.set(name, room);
			if (this.#entering)
				room._enter();
		}
		return room;
	}

	with(user, { history } = {}) {
		const it = this.#conversations.get(user) ?? new Conversation({ chat: this, user, _where: { with: user, room: undefined }, seq: this.#directsOf && 0 });
		this.#conversations.set(user, it);
		it._history ??= history;
		if (this.state === 'open')
			it._begin();
		return it;
	}

	direct(to, message, options) {
		return to.user ? this.with(to.user).send(message, options)
			: this._ask({ ...said(message), type: 'direct', to: whom(to).name }, options);
	}

	async rename(name, options) {
		const m = await this._ask({ type: 'name', name }, options);
		return this.options.name = this.name = m.name;
	}

	async auth(token) {
		const late = this.#ws;
		this.options.token = token;
		await this.connect();
		if (late)
			await this.#auth(await this.#token());
	}

	rooms(options) {
		return this._ask({ type: 'rooms' }, options);
	}

	conversations(options) {
		return this._ask({ type: 'conversations' }, options);
	}

	_ask(request, { signal, cid = this.#cid(), ...members } = {}, place) {
		return new Promise((resolve, reject) => {
			const objection = this.state === 'closed' ? 'closed' : place?.state === 'left' ? 'not_joined'
				: this.#pending.size >= this.options.queue && 'queue_full';
			if (signal?.aborted || objection)
				return reject(signal?.aborted ? signal.reason : new NatterError(objection));
			const abort = () => this._drop((e) => e.cid === cid, signal.reason);
			const last = (does) => (value) => does(value, signal?.removeEventListener('abort', abort));
			signal?.addEventListener('abort', abort);
			this.#pending.set(cid, { cid, type: request.type, place, text: JSON.stringify({ ...members, ...request, cid }),
				resolve: last(resolve), reject: last(reject) });
			this._flush();
		});
	}

	/* On this connection or not at all. */
	_now(request, resolve, reject) {
		const cid = this.#cid(), { type } = request;
		this.#pending.set(cid, { cid, type, ws: this.#ws, resolve, reject });
		this.#pay(type, true);
		this.#ws.send(JSON.stringify({ ...request, cid }));
	}

	_say(message) {
		const can = this.state === 'open' && this.#pay('relay') <= 0;
		if (can)
			this.#ws.send(JSON.stringify(message));
		return can;
	}

	#first(request, done) {
		return new Promise((resolve, reject) => this._now(request, (m) => resolve(done(m)), reject));
	}

	/* Whether it is only for now that WHAT failed. */
	_later({ code }, what) {
		const ws = this.#ws;
		if (code === 'storage_unavailable')
			setTimeout(() => ws === this.#ws && what(), 1000 + Math.random() * 1000);
		return code === 'storage_unavailable' || code === 'connection_lost';
	}

	#cid() {
		return `${this.#unique}.${++this.#cids}`;
	}

	/* How many ms message_rate makes it wait; if none, or ANYWAY, it is counted. */
	#pay(type, anyway) {
		const { message_rate: rate, message_burst: burst } = this.limits;
		const each = rate ? 1050 / rate : 0, now = Date.now();
		const due = Math.max(this.#due, now) + (CHEAP.test(type) ? 1 : 5) * each;
		const wait = each && due - now - burst * each * 0.9;
		if (anyway || wait <= 0)
			this.#due = due;
		return wait;
	}

	_flush() {
		clearTimeout(this.#flushing);
		if (this.state !== 'open')
			return;
		for (const e of this.#pending.values()) {
			if (e.ws || e.place?.state === 'joining')
				continue;
			const objection = this.#objection(e), wait = objection ? 0 : this.#pay(e.type);
			if (objection) {
				this._drop((it) => it === e, new NatterError(objection));
			} else if (wait > 0) {
				this.#flushing = setTimeout(() => this._flush(), wait);
				return;
			} else {
				e.ws = this.#ws;
				e.sender = this.#sender;
				e.since ??= Date.now();
				this.#ws.send(e.text);
			}
		}
	}

	/* Sent again only where the server must know the cid. */
	#objection({ text, type, since, sender }) {
		if (new TextEncoder().encode(text).length > this.limits.max_message)
			return 'too_big';
		if (since && !REPEATABLE.test(type) &&
			(type !== 'message' || sender !== this.#sender || Date.now() - since > this.limits.cid_keep * 900))
			return 'outcome_unknown';
	}

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
		this.#store(false);
		const ws = this.#ws = new this.options.WebSocket(this.url.href, ['natter.v1']);
		const mine = (does) => (event) => ws === this.#ws && does(event);
		ws.onmessage = mine(({ data }) => this.#receive(JSON.parse(data)));
		ws.onclose = mine(({ code, reason }) => this._lost(code, reason));
		ws.onerror = mine(() => this.#heard || this._lost());
		this.#heard = this.#pinged = this.#openSince = this.#due = 0;
		this.#timer = setTimeout(mine(() => this._lost()), this.options.connectTimeout);
		this.#set('connecting');
	}

	/* All is asked at once. */
	async #hello(m) {
		const ws = this.#ws, session = this.#session, { name } = this.options, asked = [];
		this.#become(m);
		for (const it of ['limits', 'room', 'version', 'anonymous'])
			this[it] = m[it];
		this.resumed = false;
		this.#session ??= m.session;
		this.#watch();
		if (session)
			asked.push(this.#first({ type: 'resume', session }, (ok) => {
				this.#become(ok);
				this.resumed = true;
			}).catch((error) => {
				if (error.code === 'session_unknown')
					this.#session = m.session;
			}));
		try {
			const token = await this.#token();
			if (ws !== this.#ws)
				return;
			if (token || this.user)
				asked.push(this.#auth(token));
			if (name)
				asked.push(this.#first({ type: 'name', name }, (ok) => { this.name = ok.name; })
					.catch((error) => ws === this.#ws && this._emit('error', error)));
			this.#entering = true;
			this._rooms.forEach((it) => it._enter());
			await Promise.all(asked);
		} catch (error) {
			if (ws === this.#ws && error instanceof NatterError && error.code !== 'storage_unavailable')
				this.#end(error);
			else if (ws === this.#ws)
				this._lost(1006, error.message);
		}
		if (ws !== this.#ws)
			return;
		clearTimeout(this.#timer);
		this.#openSince = Date.now();
		this.#set('open');
		this.#up.resolve(this);
		this._flush();
	}

	_lost(code = 1006, reason = '') {
		const { minDelay, maxDelay } = this.options;
		if (FINAL.includes(code) || code >= 4500)
			return this.#end(new NatterError(VERDICTS[code] ?? 'closed', reason || undefined), code);
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

	#end(error, code = 1000) {
		if (this.state === 'closed')
			return;
		this.#events.abort();
		this.#events = null;
		this.#hangUp();
		this._drop(() => true, error);
		this.#up.reject(error);
		this._rooms.forEach((it) => it._over(error));
		this.#set('closed');
		this._emit('close', { code, reason: error.message, final: true, error });
	}

	#hangUp() {
		const ws = this.#ws;
		this.#ws = null;
		this.#entering = false;
		[this.#timer, this.#beat, this.#flushing].forEach(clearTimeout);
		ws?.close();
		this._rooms.forEach((it) => it._away());
		this.#conversations.forEach((it) => it._away());
		this.#directs = this.#directsOf && [];
		this._drop((e) => !e.text, new NatterError('connection_lost'));
		this._drop((e) => e.place?.state === 'left', new NatterError('outcome_unknown'));
		this.#pending.forEach((e) => { e.ws = null; });
	}

	#become({ name = null, user = null, role = 'guest' }) {
		Object.assign(this, { name, user, role });
	}

	async #token() {
		const { token } = this.options;
		return typeof token === 'function' ? token() : token;
	}

	#auth(token) {
		return Promise.all([
			token && this.#first({ type: 'auth', token }, ({ name = this.name, user, role }) => this.#become({ name, user, role })),
			this.#first({ type: 'conversations' }, ({ conversations }) => this.#catchUp(conversations)),
		]);
	}

	#receive(m) {
		const { type, cid } = m, e = this.#pending.get(cid);
		const error = type === 'error' && new NatterError(m.code, m.message, m.retry_after);
		this.#heard = Date.now();
		if (ANSWERS.test(type) && cid) {
			this.#pending.delete(cid);
			if (e && error)
				return e.reject(error);
			if (e?.type === 'message' && !(m.seq <= e.place.seq))
				e.place._own.set(m.seq, cid);
			e?.resolve(m);
		} else if (type === 'welcome') {
			this.#hello(m);
		} else if (m.room !== undefined) {
			this._rooms.get(m.room)?._event(m);
		} else if (m.between && m.seq) {
			if (!this.#directs)
				this.with(m.between.find((user) => user !== this.user) ?? this.user)._receive(m);
			else if (this.#directs.push(m) > HELD_MAX)
				this._lost();
		} else {
			if (type === 'renamed')
				this.name = m.name;
			this._emit(type, error || m);
			if (type === 'token_expiring' && typeof this.options.token === 'function')
				this.auth(this.options.token).catch((failure) => this._emit('error', failure));
		}
	}

	#catchUp(list) {
		const again = this.#directsOf === this.user, held = this.#directs ?? [];
		this.#directsOf = this.user;
		this.#directs = null;
		for (const { with: user, seq, read, time } of list) {
			const it = this.with(user);
			it.readSeq = read;
			it.seq = again ? it.seq || read || 0 : seq;
			if (seq !== it.seq)
				it._fetch(seq < it.seq && time > it._time ? 'epoch' : undefined);
		}
		this.#conversations.forEach((it) => it._begin(it.seq ??= 0));
		held.forEach((m) => this.#receive(m));
	}

	#watch() {
		const { pingInterval, pingTimeout } = this.options, quiet = Date.now() - this.#heard;
		if (this.#pinged <= this.#heard && quiet > (this.#pending.size ? pingTimeout / 2 : pingInterval))
			this.#ping();
		else if (this.#pinged > this.#heard && Date.now() - this.#pinged > pingTimeout)
			return this._lost();
		this.#beat = setTimeout(() => this.#watch(), pingTimeout / 4);
	}

	#ping() {
		this.#pinged = Date.now();
		this.#ws.send('{"type":"ping"}');
	}

	#listen() {
		if (this.#events)
			return;
		this.#events = new AbortController();
		for (const type of ['online', 'pageshow', 'pagehide', 'visibilitychange'])
			globalThis.addEventListener?.(type, () => {
				const going = type === 'pagehide' || globalThis.document?.hidden;
				this.#store(going);
				if (!going || type === 'online')
					this.#wake();
			}, { signal: this.#events.signal });
	}

	#wake() {
		const ws = this.#ws, now = Date.now();
		if (this.state === 'waiting') {
			this.#attempts = 0;
			this.#open();
		} else if (this.state === 'open') {
			this.#ping();
			setTimeout(() => ws === this.#ws && this.#heard < now && this._lost(), this.options.pingTimeout / 3);
		}
	}

	/* Only while the page sleeps or goes: a copied tab must not take it. */
	#store(going) {
		const { storage } = this.options, key = `natter ${this.url}`;
		if (going && this.#session)
			return storage?.setItem(key, this.#session);
		this.#session ??= storage?.getItem(key) ?? undefined;
		storage?.removeItem(key);
	}
}

globalThis.Natter = Natter;
})();
