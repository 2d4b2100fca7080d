/* people.js: who is in a room, as the list beside it. */
import { hueOf, make, nameKey } from './words.js';

const SHOWN = 500;
const AGAIN = 5000; // ms between questions for all of them

export class People {
	#talk = null;

	/* avatar(name, hue) gives an element; isMe(person); open(person) when one is chosen; changed() when the counts are others. */
	constructor(list, guests, uses) {
		Object.assign(this, { list, guests, uses });
	}

	show(talk) {
		this.#talk = talk;
		if (!talk?.room)
			return;
		const people = [...talk.people.values()].sort((a, b) => this.uses.isMe(b) - this.uses.isMe(a) || a.name.localeCompare(b.name));
		const { members, guests } = talk.room;
		this.list.replaceChildren(...people.slice(0, SHOWN).map((it) => this.#entry(it)));
		const more = Math.max(0, members - Math.min(people.length, SHOWN));
		const words = [];
		if (more)
			words.push(`${more} more`);
		if (guests)
			words.push(`${guests} guest${guests === 1 ? '' : 's'} without a name`);
		this.guests.textContent = words.length ? `${people.length ? 'and ' : ''}${words.join(', ')}` : '';
	}

	/* A presence event. A user may have no name yet, and is called as the site calls them then. */
	heard(talk, { event, name, old, user }) {
		const called = name ?? user;
		if (event === 'leave' || event === 'rename')
			talk.people.delete(nameKey(event === 'leave' ? called : old ?? user));
		if (called && (event === 'join' || event === 'rename'))
			talk.people.set(nameKey(called), { name: called, user });
		if (talk.people.size !== talk.room.members)
			this.#later(talk);
		this.#soon(talk);
	}

	/* Asks the server who is there. */
	async refresh(talk) {
		talk.who = Date.now();
		try {
			const people = new Map();
			let page = { more: true }, last;
			while (page.more && people.size < SHOWN) {
				const after = last;
				page = await talk.room.who({ after, limit: 200 });
				for (const { name, user } of page.members ?? []) {
					last = name ?? last;
					people.set(nameKey(name ?? user), { name: name ?? user, user });
				}
				page.more &&= last !== after;
			}
			talk.people = people;
		} catch { /* the counts are known */ }
		this.#soon(talk);
	}

	#later(talk) {
		talk.asking ??= setTimeout(() => {
			talk.asking = undefined;
			if (talk.room.state === 'joined' && talk.people.size !== Math.min(talk.room.members, SHOWN))
				this.refresh(talk);
		}, Math.max(500, talk.who + AGAIN - Date.now()));
	}

	#soon(talk) {
		if (talk !== this.#talk || this.waiting)
			return;
		this.waiting = requestAnimationFrame(() => {
			this.waiting = 0;
			this.show(this.#talk);
			this.uses.changed();
		});
	}

	#entry(person) {
		const { name, user } = person, me = this.uses.isMe(person);
		const li = make('li'), b = make('button', 'person');
		b.type = 'button';
		b.append(this.uses.avatar(name, hueOf(name)), make('bdi', '', name));
		if (me)
			b.append(make('span', 'tag', 'you'));
		b.title = user ? `Logged in as ${user}` : 'Not logged in';
		b.addEventListener('click', () => this.uses.open(person));
		li.append(b);
		return li;
	}
}
