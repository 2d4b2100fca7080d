/*
 * talk.js: what is said in one room, or with one person, as a list that log.js shows. No DOM in here.
 *
 * An item of the list is
 *   a message  { kind: 'message', seq, time, name, user, color, text, edited, deleted, mine, state, error, cid }
 *              state: 'stored', 'sending', 'failed'; what is ours has no seq and stands at the end until its copy has come
 *              expects: the seq that it was told to have
 *   a note     { kind: 'note', words, time }: somebody came, or something is missing here
 * Whoever changes an item counts its `v` up, so that it is drawn again.
 */

const KEPT = 20000; // items; the oldest go when more is said

export class Talk {
	items = [];
	more = false; // there is an earlier past than that of items
	loaded = false; // the past is known
	readTo = 0; // seq
	noted = 0; // seq: so far it was noted that it is read
	resets = 0; // how often the past was told anew
	unread = 0;
	calls = 0; // those of them that speak to us
	draft = '';
	typists = new Map(); // name: until when
	people = new Map(); // nameKey: { name, user }
	#bySeq = new Map();
	#waiting = 0; // items at the end that have no seq yet
	#lowest = Infinity; // seq of anything that we know of

	constructor(key, title) {
		this.key = key;
		this.title = title;
	}

	get lowest() {
		return this.#lowest;
	}

	get newest() {
		return this.items.findLast((item) => item.seq)?.seq ?? 0;
	}

	/* Something of the order; returns the item where it is a message that was not there. */
	take(m) {
		const item = this.#item(m);
		this.#lowest = Math.min(this.#lowest, m.seq ?? Infinity);
		if (!item || (item.seq && this.#bySeq.has(item.seq)))
			return null;
		const at = item.cid ? this.items.findIndex((it) => it.cid === item.cid && !it.seq) : -1;
		if (at >= 0) {
			this.items.splice(at, 1);
			this.#waiting--;
		}
		this.#push(item);
		return item;
	}

	/* The past as it is now. What the server has forgotten stays, where nothing lies between that and the new. */
	reset({ messages, more, reason }) {
		const waiting = this.#cutWaiting();
		const before = this.items, last = messages.at(-1)?.seq ?? 0;
		const ours = new Map(before.filter((item) => item.mine).map((item) => [item.seq, item.time]));
		const known = reason === 'joined' ? [] : before.filter((item) => item.kind === 'message');
		const same = (item) => messages.some((m) => m.seq === item.seq && m.time === item.time);
		this.items = [];
		this.#bySeq.clear();
		this.#lowest = Infinity;
		const first = !this.loaded;
		this.loaded = true;
		this.resets++;
		this.more = more;
		if (known.length && !more && !known.some(same)) {
			this.items = before;
			for (const item of known)
				delete item.seq;
			this.note('The server has started anew. What is above this line is only in this window.');
		}
		for (const m of messages) {
			const item = this.take({ ...m, cid: undefined }); // whatever it says there
			if (item && ours.get(item.seq) === item.time)
				item.mine = true;
		}
		if (first) // what came while we asked
			before.filter((item) => item.seq > last).forEach((item) => this.#push(item));
		for (const item of waiting)
			this.#pushWaiting(item);
		this.#unite();
	}

	older({ messages, more }) {
		const items = messages.map((m) => this.#item({ ...m, cid: undefined })).filter((item) => item && !this.#bySeq.has(item.seq));
		this.#lowest = Math.min(this.#lowest, ...messages.map((m) => m.seq));
		items.forEach((item) => this.#bySeq.set(item.seq, item));
		this.items.unshift(...items);
		this.more = more && messages.length > 0;
		this.#unite();
	}

	/* An edit or a deletion. */
	change(m) {
		const item = this.#bySeq.get(m.target);
		if (!item)
			return;
		if (m.type === 'delete')
			Object.assign(item, { deleted: true, text: '' });
		else if (typeof m.message === 'string' && !item.deleted)
			Object.assign(item, { text: m.message, edited: true, color: m.color ?? item.color });
		item.v++;
	}

	note(words, gathers) {
		this.#push({ kind: 'note', words, gathers, time: Date.now(), v: 1 });
	}

	/* "ann, ben came": one line for those who do the same behind each other. */
	gather(name, does) {
		const last = this.items[this.items.length - 1 - this.#waiting];
		if (last?.kind !== 'note' || !last.gathers)
			return this.note(`${name} ${does}`, [[name, does]]);
		last.gathers = [...last.gathers.filter(([it]) => it !== name), [name, does]].slice(-12);
		const groups = new Map();
		for (const [who, what] of last.gathers)
			groups.set(what, [...groups.get(what) ?? [], who]);
		last.words = [...groups].map(([what, who]) => `${list(who)} ${what}`).join(' · ');
		last.v++;
	}

	/* ---- what we say ---- */

	wait(item) {
		this.#pushWaiting(Object.assign(item, { kind: 'message', state: 'sending', mine: true, time: Date.now(), v: 1 }));
		return item;
	}

	/* It has its place; its copy follows, or came before this (where it has a seq). */
	stored(item, { seq, time }) {
		Object.assign(item, { state: 'stored', time: time ?? item.time, expects: seq });
		item.v++;
		if (seq)
			this.#unite();
		else
			this.#settle(item);
	}

	failed(item, error) {
		item.state = error ? 'failed' : 'sending';
		item.error = error;
		item.v++;
	}

	drop(item) {
		const at = this.items.indexOf(item);
		if (at >= 0) {
			this.items.splice(at, 1);
			if (!item.seq)
				this.#waiting--;
		}
	}

	/* A relayed message has no place to come back from: it stands where it was said. */
	#settle(item) {
		this.drop(item);
		this.#push(item);
	}

	/* ---- */

	#item(m) {
		if (m.type === 'edit' || m.type === 'delete' || (m.type !== 'deleted' && typeof m.message !== 'string'))
			return null;
		return {
			kind: 'message', seq: m.seq, time: m.time ?? Date.now(), name: typeof m.name === 'string' ? m.name : '',
			user: m.user, color: m.color, text: m.type === 'deleted' ? '' : m.message, deleted: m.type === 'deleted',
			edited: m.edited !== undefined, cid: m.cid, mine: m.cid !== undefined, state: 'stored', v: 1,
		};
	}

	/* What waits goes where its copy has come, whichever way and without its cid as well. */
	#unite() {
		for (const item of this.items.slice(this.items.length - this.#waiting)) {
			const copy = item.expects && this.#bySeq.get(item.expects);
			if (copy?.time === item.time) {
				copy.mine = true;
				copy.v++;
				this.drop(item);
			}
		}
	}

	/* At the end of what has its place, and in its order. */
	#push(item) {
		let at = this.items.length - this.#waiting;
		while (item.seq && at > 0 && this.items[at - 1].seq > item.seq)
			at--;
		this.items.splice(at, 0, item);
		if (item.seq) {
			this.#bySeq.set(item.seq, item);
			this.#unite();
		}
		while (this.items.length > KEPT) {
			this.#bySeq.delete(this.items.shift().seq);
			this.#lowest = this.items.find((it) => it.seq)?.seq ?? Infinity;
			this.more = true;
		}
	}

	#pushWaiting(item) {
		this.items.push(item);
		this.#waiting++;
	}

	#cutWaiting() {
		const waiting = this.items.splice(this.items.length - this.#waiting);
		this.#waiting = 0;
		return waiting;
	}
}

export function list(names) {
	if (names.length > 4)
		names = [...names.slice(0, 3), `${names.length - 3} others`];
	return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0] ?? '';
}
