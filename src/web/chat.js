/*
 * natter's chat page. natter.js speaks with the server; talk.js holds what is said in each room, log.js shows it,
 * words.js makes text of it; people.js is the list of who is there; this file joins them, and is what one does.
 *
 * The address: …/#tea is the room tea, …/#@ben the conversation with the user ben, …/#@@eve that with the guest eve,
 * …/#@@ what guests without a name have said to us.
 */
import { Natter } from './natter.mjs';
import { Log } from './log.js';
import { People } from './people.js';
import { Talk, list } from './talk.js';
import { colorOf, duration, EMOJI, expand, format, hueOf, HUES, initials, inWords, isJumbo, make, nameKey, speaksTo }
	from './words.js';

const HISTORY = 50, PAGE = 60; // messages to begin with, and to go back by
const GROUP = 5 * 60 * 1000; // ms between messages that are shown as one person's turn
const LONG = 1200, LONG_LINES = 20; // characters and lines of a message that are shown at once
const GUESTS = 50; // conversations with them
const TYPING = 6000; // ms that somebody types after having said so

const $ = (id) => document.getElementById(id);
const text = $('text'), tools = $('tools'), banner = $('banner');
const narrow = matchMedia('(max-width: 44rem)'), middle = matchMedia('(max-width: 64rem)');

/* ---- what this browser keeps ---- */

const kept = (storage) => ({
	get(key) {
		try {
			return JSON.parse(storage().getItem(`natter.${key}`));
		} catch {
			return null; // a browser that keeps nothing, or somebody else's value
		}
	},
	set(key, value) {
		try {
			storage().setItem(`natter.${key}`, JSON.stringify(value));
		} catch { /* then not */ }
	},
});
const always = kept(() => localStorage), here = kept(() => sessionStorage);

function sessionStore() {
	try {
		return sessionStorage;
	} catch {
		return undefined;
	}
}

/* ---- who and where we are ---- */

const chat = new Natter(new URL('./', location.href.replace(/[?#].*/s, '')), {
	name: here.get('name') ?? always.get('name') ?? undefined,
	token: here.get('token') ?? undefined,
	storage: sessionStore(),
});
const NAMELESS = '~'; // key of what guests without a name said, whom nobody can answer
const talks = new Map(); // key: Talk; '#tea', '@ben' (a user), '~eve' (a guest)
let current = null;
let editing = null; // { talk, item }
let hue = always.get('hue'); // that one has chosen
let looks = 0; // counts how often all rows had to be drawn anew

const myHue = () => hue ?? hueOf(chat.name ?? '');
const isModerator = (talk) => talk.room !== undefined &&
	[chat.role, talk.room.role].some((role) => role === 'moderator' || role === 'admin');

function isMine(item) {
	if (item.mine || (chat.user && item.user === chat.user))
		return true;
	return !chat.user && !item.user && !!chat.name && nameKey(item.name) === nameKey(chat.name);
}

/* ---- the rows ---- */

const days = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' });
const hours = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const moments = new Intl.DateTimeFormat([], { dateStyle: 'full', timeStyle: 'medium' });

function dayOf(time) {
	const date = new Date(time), today = new Date();
	const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
	if (date.toDateString() === today.toDateString())
		return 'Today';
	return date.toDateString() === yesterday.toDateString() ? 'Yesterday' : days.format(date);
}

const authorOf = (item) => isMine(item) ? 'me' : item.user ? `@${item.user}` : nameKey(item.name);

function look(item, before) {
	const day = !before || new Date(before.time).toDateString() !== new Date(item.time).toDateString();
	const mark = current?.mark === item;
	const more = !day && !mark && item.kind === 'message' && before.kind === 'message' &&
		authorOf(item) === authorOf(before) && item.time - before.time < GROUP;
	return { day, mark, more, key: `${item.v} ${day} ${mark} ${more} ${looks}` };
}

function icon(name) {
	const NS = 'http://www.w3.org/2000/svg';
	const svg = document.createElementNS(NS, 'svg'), use = document.createElementNS(NS, 'use');
	svg.setAttribute('aria-hidden', 'true');
	use.setAttribute('href', `#i-${name}`);
	svg.append(use);
	return svg;
}

function button(words, does, className = '') {
	const b = make('button', className, words);
	b.type = 'button';
	b.addEventListener('click', does);
	return b;
}

function avatar(name, itsHue, element = make('span', 'avatar')) {
	element.textContent = name ? initials(name) : '?';
	element.ariaHidden = 'true';
	element.style.setProperty('--hue', itsHue);
	return element;
}

function draw(item, { day, mark, more }) {
	const row = make(item.kind === 'message' ? 'article' : 'p', item.kind);
	if (day)
		row.append(make('span', 'day', dayOf(item.time)));
	if (mark)
		row.append(make('span', 'mark', 'New'));
	if (item.kind === 'note')
		row.append(make('span', 'words', item.words));
	else
		drawMessage(row, item, more);
	return row;
}

function drawMessage(row, item, more) {
	const mine = isMine(item), name = item.name;
	const date = new Date(item.time);
	row.tabIndex = -1;
	row.style.setProperty('--hue', mine && item.name === (chat.name ?? '') ? myHue() : hueOf(name, item.color));
	for (const [className, on] of Object.entries({ more, mine, deleted: item.deleted, [item.state]: mine }))
		row.classList.toggle(className, Boolean(on));

	const by = make(name ? 'button' : 'span', 'name');
	by.append(make('bdi', '', name || 'guest'));
	if (name)
		Object.assign(by, { type: 'button', tabIndex: -1 });
	const time = make('time', '', hours.format(date));
	time.dateTime = date.toISOString();
	time.title = moments.format(date);
	const head = make('div', 'head');
	head.append(by, time);

	const body = make('div', 'body');
	const words = make('span', 'words');
	body.classList.toggle('block', item.text.endsWith('```'));
	body.dir = 'auto';
	if (item.deleted) {
		words.textContent = 'This message was deleted.';
	} else {
		words.append(format(item.text, mine ? '' : chat.name ?? ''));
		words.classList.toggle('jumbo', isJumbo(item.text));
		if (!mine && chat.name && speaksTo(item.text, chat.name))
			row.classList.add('calls');
	}
	body.append(words);
	if (item.text.length > LONG || item.text.split('\n', LONG_LINES + 1).length > LONG_LINES)
		fold(item, words, body);
	if (item.edited && !item.deleted)
		body.append(make('span', 'edited', 'edited'));
	if (mine)
		body.append(stateOf(item));
	row.append(avatar(name, '', undefined), head, body);
	row.querySelector('.avatar').style.removeProperty('--hue'); // the row's
}

function fold(item, words, body) {
	words.classList.toggle('folded', !item.unfolded);
	if (!item.unfolded)
		body.append(button('Show all', () => {
			item.unfolded = true;
			item.v++;
			log.update(current.items);
		}, 'quiet'));
}

/* Of one's own message: on its way, stored, or not, and what to do about it. */
function stateOf(item) {
	const state = make('span', 'sent');
	if (item.state === 'failed') {
		const talk = current;
		state.append(make('span', 'why', `Not sent. ${item.error} `),
			button('Try again', () => say(talk, item), 'quiet'),
			button('Discard', () => {
				talk.drop(item);
				log.update(talk.items);
				text.focus();
			}, 'quiet'));
	} else {
		state.append(icon(item.state === 'stored' ? 'check' : 'clock'),
			make('span', 'unseen', item.state === 'stored' ? 'stored' : 'sending'));
		state.title = item.state === 'stored' ? 'Stored' : 'Sending…';
	}
	return state;
}

const log = new Log($('log'), $('list'), { draw, look, older: loadOlder, moved });

/* ---- rooms and conversations ---- */

const keyOf = (place) => place.startsWith('@@') ? `~${place.slice(2)}` : place.startsWith('@') ? place : `#${place}`;

function addressOf(key) {
	const place = key[0] === '#' ? key.slice(1) : key[0] === '~' ? `@@${key.slice(1)}` : key;
	return `#${encodeURIComponent(place).replace(/%(2F|40)/g, decodeURIComponent)}`;
}

function placeHere() {
	let place = location.hash.slice(1);
	try {
		place = decodeURIComponent(place);
	} catch { /* a stray %: as it stands */ }
	return place.normalize('NFC') || chat.room || 'lobby';
}

function talkOf(key) {
	let talk = talks.get(key);
	if (!talk) {
		talk = new Talk(key, key[0] === '#' ? key : key.slice(1) || 'Guests without a name');
		talks.set(key, talk);
		enter(talk);
		keepRooms();
		showLists();
	}
	return talk;
}

/* So many guests may write to us: for one more goes who was the first. */
function talkOfGuest(key) {
	const guests = [...talks.keys()].filter((it) => it[0] === '~' && it !== current?.key);
	if (!talks.has(key) && guests.length >= GUESTS)
		talks.delete(guests[0]);
	return talkOf(key);
}

const keepRooms = () => always.set('rooms', [...talks.keys()].filter((key) => key[0] === '#').map((key) => key.slice(1)));

/* Joins the room, or opens the conversation; again, after one had to leave. */
function enter(talk) {
	const [kind, name] = [talk.key[0], talk.key.slice(1)];
	talk.gone = null;
	if (kind === '#')
		enterRoom(talk, talk.place = talk.room = chat.join(name, { history: HISTORY }));
	else if (kind === '@')
		enterConversation(talk, talk.place = chat.with(name));
	else
		talk.loaded = true;
}

function enterRoom(talk, room) {
	hear(talk, room);
	room.on('joined', ({ role, topic = '', read_only: readOnly = false }) => {
		Object.assign(talk, { role, topic, readOnly, gone: null });
		talk.who = 0;
		people.refresh(talk);
		if (talk === current)
			showRoom();
	});
	room.on('presence', (m) => {
		const called = m.name ?? m.user, other = called && nameKey(called) !== nameKey(chat.name ?? chat.user);
		if (m.event === 'join' && other)
			talk.gather(called, 'came');
		else if (m.event === 'leave' && other)
			talk.gather(called, 'left');
		else if (m.event === 'rename' && m.old && m.name)
			talk.gather(`${m.old}, now ${m.name},`, 'has another name');
		talk.typists.delete(m.old ?? m.name);
		people.heard(talk, m);
		changed(talk);
	});
	room.on('topic', ({ topic, name }) => {
		talk.topic = topic;
		talk.note(topic ? `${name ?? 'Somebody'} set the topic: ${topic}` : `${name ?? 'Somebody'} ended the topic`);
		changed(talk);
		if (talk === current)
			showRoom();
	});
	room.on('muted', (m) => {
		talk.note(m.duration ? `You are muted for ${duration(m.duration)}${by(m)}.` : `You are not muted any more${by(m)}.`);
		changed(talk);
	});
	room.on('kicked', (m) => {
		talk.kicked = m.banned ? `You are banned from this room for ${duration(m.banned)}${by(m)}.`
			: `You were put out of this room${by(m)}.`;
	});
	room.on('typing', ({ name }) => {
		if (!name || nameKey(name) === nameKey(chat.name))
			return;
		talk.typists.set(name, Date.now() + TYPING);
		showTyping();
	});
	room.on('left', (error) => {
		if (talk.left || talk.room !== room)
			return;
		talk.gone = error;
		talk.words = error.code === 'kicked' ? talk.kicked : inWords(error);
		if (talk === current)
			showBanner();
	});
}

const by = ({ by: who, reason }) => `${who ? ` by ${who}` : ''}${reason ? `: ${reason}` : ''}`;

async function enterConversation(talk, conversation) {
	hear(talk, conversation);
	try {
		await chat.connect();
		talk.reset({ ...await conversation.history({ limit: HISTORY }), reason: 'joined' });
		begin(talk, conversation.readSeq);
	} catch (error) {
		talk.loaded = true;
		talk.note(inWords(error));
		changed(talk);
	}
}

/* What rooms and conversations have in common. */
function hear(talk, place) {
	place.on('message', (m) => arrived(talk, m));
	for (const type of ['edit', 'delete'])
		place.on(type, (m) => {
			talk.change(m);
			changed(talk);
		});
	place.on('reset', (reset) => {
		const first = !talk.loaded;
		talk.reset(reset);
		if (first && reset.reason === 'joined')
			return begin(talk, place.readSeq);
		talk.mark = null;
		for (const it of ['readTo', 'noted']) // of another epoch, perhaps
			talk[it] = Math.min(talk[it], talk.newest);
		if (talk === current)
			log.show(talk.items);
		changed(talk);
		seen();
	});
}

/* The past is there. What of it is new to us? */
function begin(talk, readSeq) {
	const noted = always.get('read')?.[talk.key];
	if (readSeq === undefined && noted && noted.epoch === talk.place.epoch)
		readSeq = noted.seq;
	if (talk.key[0] === '@')
		readSeq ??= 0;
	talk.readTo = readSeq ?? talk.newest;
	talk.noted = readSeq ?? 0;
	const news = talk.items.filter((item) => item.seq > talk.readTo && !isMine(item) && !item.deleted);
	talk.unread = news.length;
	talk.calls = news.filter((item) => speaksTo(item.text, chat.name ?? '')).length;
	talk.mark = news[0] ?? null;
	if (talk === current)
		log.show(talk.items, null, talk.mark);
	changed(talk);
	seen();
	showLists();
}

function arrived(talk, m) {
	const before = talk.newest;
	const item = talk.take(m);
	talk.typists.delete(m.name);
	if (item && !isMine(item) && !(item.seq && item.seq <= Math.max(talk.readTo, before)))
		isNew(talk, item);
	changed(talk);
	seen();
}

function isNew(talk, item) {
	if (talk === current && !document.hidden)
		speak(item);
	if (talk === current && !document.hidden && log.pinned)
		return;
	talk.mark ??= item;
	talk.unread++;
	if (talk.key[0] !== '#' || speaksTo(item.text, chat.name ?? ''))
		talk.calls++;
	showLists();
}

function changed(talk) {
	if (talk !== current)
		return;
	log.update(talk.items);
	showBegin();
	showTyping();
}

async function loadOlder() {
	const talk = current;
	if (!talk?.more || talk.loading || talk.lowest === Infinity || chat.state !== 'open')
		return;
	const { resets } = talk;
	talk.loading = true;
	try {
		const page = await talk.place.history({ before: talk.lowest, limit: PAGE });
		if (resets === talk.resets) // else it is of another past
			talk.older(page);
	} catch (error) {
		toast(inWords(error));
		await new Promise((done) => setTimeout(done, 2000));
	}
	talk.loading = false;
	changed(talk);
}

/* What one has seen is read. */
function seen() {
	const talk = current;
	if (!talk?.loaded || document.hidden || !log.pinned)
		return;
	const had = talk.unread;
	talk.unread = talk.calls = 0;
	if (had)
		showLists();
	talk.readTo = talk.newest;
	if (talk.newest <= talk.noted)
		return;
	talk.noted = talk.newest;
	clearTimeout(talk.reading);
	talk.reading = setTimeout(() => {
		if (chat.user)
			talk.place.read(talk.readTo).catch(() => {});
		if (talk.place.epoch)
			always.set('read', { ...always.get('read'), [talk.key]: { epoch: talk.place.epoch, seq: talk.readTo } });
	}, 1000);
}

function moved() {
	const away = !log.pinned;
	const n = current?.unread ?? 0;
	$('newer').hidden = !away;
	$('newer').lastElementChild.textContent = n ? `${n} new message${n === 1 ? '' : 's'}` : 'To the newest';
	$('newer').classList.toggle('primary', n > 0);
	if (!away)
		seen();
}

function go(key) {
	const talk = talkOf(key);
	if (talk === current)
		return;
	if (current) {
		current.view = log.view();
		current.draft = editing ? '' : text.value;
		if (!current.unread)
			current.mark = null;
	}
	stopEditing();
	current = talk;
	if (location.hash !== addressOf(key))
		history.replaceState(null, '', addressOf(key));
	text.value = talk.draft;
	grow();
	log.show(talk.items, talk.view, talk.unread ? talk.mark : null);
	talk.view = undefined;
	showRoom();
	showLists();
	showPanel('');
	seen();
	moved();
}

function leave(talk) {
	talk.left = true;
	talk.room?.leave();
	talks.delete(talk.key);
	keepRooms();
	const next = [...talks.keys()].at(-1) ?? keyOf(chat.room ?? 'lobby');
	if (talk === current) {
		current = null;
		go(next);
	}
	showLists();
}

/* ---- what is around the messages ---- */

const people = new People($('people-list'), $('guests'), {
	avatar, isMe: ({ name, user }) => user ? user === chat.user : nameKey(name) === nameKey(chat.name),
	open: (who) => openPerson(who), changed: () => showCount(),
});

function showRoom() {
	const talk = current;
	$('room').textContent = talk.title;
	$('room').classList.toggle('person', talk.key[0] !== '#');
	$('topic').textContent = talk.topic ?? (talk.key[0] === '~' ? 'Relayed, and kept nowhere' : '');
	$('topic').hidden = !$('topic').textContent;
	$('edit-topic').hidden = !isModerator(talk);
	$('open-people').hidden = !talk.room;
	$('people').hidden = !talk.room;
	text.readOnly = talk.key === NAMELESS;
	text.placeholder = talk.readOnly ? 'You may only read here' : text.readOnly ? 'Who has no name cannot be answered'
		: talk.room ? `Write to ${talk.title}` : `Write to ${talk.title} alone`;
	people.show(talk);
	showCount();
	showBegin();
	showBanner();
	showTyping();
}

function showCount() {
	const room = current?.room;
	$('count').textContent = room ? room.members + room.guests : '';
}

function showBegin() {
	const talk = current, begin = $('begin');
	const loading = !talk.loaded || talk.more;
	let it = `This is the beginning of ${talk.title}. Everybody who opens this page’s address is in the same room: ` +
		'send it to somebody, or open a second window and talk to yourself.';
	if (loading)
		it = chat.state === 'open' ? 'Loading…' : '';
	else if (talk.key === NAMELESS)
		it = 'Guests without a name have written to you.';
	else if (talk.key[0] !== '#')
		it = `What you and ${talk.title} say here is between you two.`;
	if (begin.textContent !== it)
		log.keep(() => {
			begin.textContent = it;
			begin.classList.toggle('loading', loading);
		});
}

function showLists() {
	for (const [id, isHere] of [['room-list', (key) => key[0] === '#'], ['direct-list', (key) => key[0] !== '#']])
		$(id).replaceChildren(...[...talks.values()].filter(({ key }) => isHere(key)).map(entryOf));
	$('directs').hidden = !$('direct-list').childElementCount;
	const all = [...talks.values()];
	const unread = all.reduce((sum, talk) => sum + talk.unread, 0);
	const elsewhere = all.some((talk) => talk !== current && talk.unread);
	document.title = `${unread ? `(${unread}) ` : ''}${current ? current.title : ''} · natter`;
	$('open-rooms').querySelector('.dot').hidden = !elsewhere;
	$('open-rooms').ariaLabel = elsewhere ? 'Rooms: there is something new' : 'Rooms';
	moved();
}

function hash() {
	const it = make('span', 'hash', '#');
	it.ariaHidden = 'true';
	return it;
}

function entryOf(talk) {
	const a = make('a');
	a.href = addressOf(talk.key);
	if (talk.key[0] === '#')
		a.append(hash(), make('bdi', '', talk.title.slice(1)));
	else
		a.append(avatar(talk.title, hueOf(talk.title)), make('bdi', '', talk.title));
	if (talk === current)
		a.ariaCurrent = 'page';
	if (talk.unread) {
		const badge = make('span', talk.calls ? 'badge calls' : 'badge', talk.unread > 99 ? '99+' : `${talk.unread}`);
		badge.append(make('span', 'unseen', ' unread'));
		a.append(badge);
		a.classList.add('unread');
	}
	const li = make('li');
	li.append(a);
	return li;
}

function showMe() {
	const name = chat.name ?? '';
	looks++;
	$('me').querySelector('.name').textContent = name || 'guest';
	avatar(name, myHue(), $('me').querySelector('.avatar'));
	$('hello').hidden = Boolean(name || chat.user || here.get('guest') || chat.state !== 'open') && !$('name-error').textContent;
	people.show(current);
	if (current)
		log.update(current.items);
}

function showTyping() {
	const now = Date.now(), typists = current?.typists ?? new Map();
	typists.forEach((until, name) => until < now && typists.delete(name));
	const names = [...typists.keys()];
	const it = names.length ? `${list(names)} ${names.length > 1 ? 'are' : 'is'} typing…` : '';
	if ($('typing').textContent === it)
		return;
	$('typing').textContent = it;
	$('typing').classList.toggle('on', it !== '');
}
setInterval(showTyping, 1000);

let toasting;
function toast(words) {
	$('toast').textContent = words;
	clearTimeout(toasting);
	toasting = setTimeout(() => { $('toast').textContent = ''; }, 6000);
}

/* To who does not see: what is said here, but not more than one can listen to. */
let toSay = [], saying;
function speak(item) {
	toSay.push(`${item.name || 'guest'}: ${item.text.slice(0, 300)}`);
	saying ??= setTimeout(() => {
		const more = toSay.length - 3;
		$('spoken').textContent = [...more > 0 ? [`${more} more messages`] : [], ...toSay.slice(-3)].join('\n');
		toSay = [];
		saying = undefined;
	}, 400);
}

/* ---- the connection ---- */

const STATES = { connecting: 'Connecting…', open: 'Connected', waiting: 'No connection', closed: 'Not connected' };
let ended = null; // why there is no connection, and is to be none

function showState() {
	document.body.dataset.state = chat.state;
	$('state').textContent = STATES[chat.state];
	showBanner();
	if (current)
		showBegin();
}

function showBanner() {
	const buttons = [];
	let words = '';
	if (ended) {
		words = inWords(ended);
		if (ended.code === 'bad_token' || ended.code === 'login_needed' || ended.code === 'auth_timeout')
			buttons.push(['Log in', openMe]);
		if (ended.code === 'bad_token')
			buttons.push(['Go on as a guest', asGuest]);
		else
			buttons.push([ended.code === 'replaced' ? 'Use it here' : 'Connect again', connect]);
	} else if (chat.state === 'waiting' || (chat.state === 'connecting' && banner.dataset.kind === 'offline')) {
		words = 'No connection. Trying again… What you write meanwhile is sent then.';
		buttons.push(['Try now', connect]);
	} else if (expiring && chat.state === 'open') {
		words = 'Your login is about to expire.';
		buttons.push(['Log in again', openMe]);
	} else if (current?.gone) {
		words = current.words;
		if (current.gone.code === 'login_needed')
			buttons.push(['Log in', openMe]);
		else
			buttons.push(['Join again', () => enter(current)], ['Leave', () => leave(current)]);
	}
	banner.dataset.kind = !words ? '' : ended ? 'ended' : chat.state !== 'open' ? 'offline' : 'room';
	if (banner.dataset.words === words)
		return; // a screen reader has said it
	banner.dataset.words = words;
	banner.replaceChildren(...words ? [make('span', '', words),
		...buttons.map(([label, does]) => button(label, () => does(), 'quiet'))] : []);
}

function connect() {
	ended = null;
	chat.connect().catch(() => {});
	showState();
}

function asGuest() {
	here.set('token', null);
	chat.options.token = undefined;
	connect();
}

let expiring = false;
chat.on('state', (state) => {
	if (state === 'open') {
		ended = null;
		opened();
	} else {
		expiring = false; // not at the opening: the server may have said so by then
	}
	showState();
});
chat.on('close', ({ final, error }) => {
	if (final) {
		ended = error;
		showState();
	}
});
chat.on('error', (error) => {
	if (['name_taken', 'bad_name', 'name_reserved'].includes(error.code)) {
		nameRefused($('name-error'), $('name'), chat.options.name ?? '', error);
		showMe();
	} else {
		toast(inWords(error));
	}
});
chat.on('renamed', ({ name, by }) => {
	if (by !== 'options')
		toast(name ? `Your name is ${name} now.` : 'Your name belongs to somebody who has logged in: please choose another one.');
	showMe();
});
chat.on('token_expiring', () => {
	expiring = true;
	showBanner();
});
chat.on('direct', (m) => {
	if (m.seq)
		talkOf(`@${m.between.find((user) => user !== chat.user) ?? chat.user}`).title = titleOf(m);
	else if (!m.name || nameKey(m.name) !== nameKey(chat.name))
		arrived(talkOfGuest(m.name ?? m.user ? `~${m.name ?? m.user}` : NAMELESS), m);
	showLists();
});

/* A conversation is called by the name of the other, where we have heard that. */
function titleOf(m) {
	const other = m.between.find((user) => user !== chat.user) ?? chat.user;
	return m.user === other && m.name ? m.name : talks.get(`@${other}`)?.title ?? other;
}

async function opened() {
	if (!location.hash && !current)
		go(keyOf(placeHere()));
	showMe();
	for (const talk of talks.values())
		if (talk.gone?.code === 'login_needed' && chat.user)
			enter(talk);
	if (!chat.user)
		return;
	const { conversations } = await chat.conversations().catch(() => ({ conversations: [] }));
	for (const { with: user } of conversations.slice(0, 30))
		talkOf(`@${user}`);
	showLists();
}

/* ---- to write ---- */

function newCid() {
	return [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join('');
}

async function say(talk, item) {
	talk.failed(item, null);
	changed(talk);
	const message = { message: item.text, ...item.color ? { color: item.color } : {} };
	try {
		const m = await (talk.place ? talk.place.send(message, { cid: item.cid })
			: chat.direct({ name: talk.key.slice(1) }, message, { cid: item.cid }));
		talk.stored(item, m);
	} catch (error) {
		talk.failed(item, inWords(error));
	}
	changed(talk);
	seen();
}

function submit() {
	const words = expand(text.value.trim());
	const talk = current;
	if (!words || !talk || text.readOnly)
		return;
	if (editing)
		return submitEdit(words);
	talk.mark = null;
	say(talk, talk.wait({
		text: words, name: chat.name ?? '', user: chat.user ?? undefined, cid: newCid(),
		color: chat.name || chat.user ? colorOf(myHue()) : undefined,
	}));
	text.value = '';
	grow();
	log.toEnd();
}

async function submitEdit(words) {
	const { talk, item } = editing;
	stopEditing();
	if (words === item.text)
		return;
	try {
		await talk.place.edit(item.seq, { message: words, ...item.color ? { color: item.color } : {} });
	} catch (error) {
		toast(`Not changed. ${inWords(error)}`);
		startEditing(talk, item, words);
	}
}

function startEditing(talk, item, words = item.text) {
	if (!item?.seq || talk !== current)
		return;
	if (!editing)
		talk.draft = text.value;
	editing = { talk, item };
	$('editing').hidden = false;
	text.value = words;
	grow();
	text.focus();
}

function stopEditing() {
	if (!editing)
		return;
	text.value = editing.talk.draft;
	editing = null;
	$('editing').hidden = true;
	grow();
}

function grow() {
	text.style.height = 'auto';
	text.style.height = `${text.scrollHeight}px`;
}

const mayChange = (talk, item) => talk?.place && item.seq && !item.deleted && (isMine(item) || isModerator(talk));

$('composer').addEventListener('submit', (event) => {
	event.preventDefault();
	submit();
	text.focus();
});
text.addEventListener('input', () => {
	grow();
	if (text.value && !editing)
		current?.room?.typing();
});
text.addEventListener('keydown', (event) => {
	if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
		event.preventDefault();
		submit();
	} else if (event.key === 'ArrowUp' && !event.altKey && !text.value) {
		event.preventDefault();
		startEditing(current, current.items.findLast((item) => item.kind === 'message' && isMine(item) && mayChange(current, item)));
	}
});
$('editing').querySelector('button').addEventListener('click', () => {
	stopEditing();
	text.focus();
});
document.querySelector('.skip').addEventListener('click', (event) => {
	event.preventDefault(); // #text would be a room
	text.focus();
});
$('newer').addEventListener('click', () => {
	log.toEnd();
	text.focus();
});

/* ---- the tools at a message: one set of them, where the pointer or the focus is ---- */

let tooled = null;
function showTools(row) {
	if (!row?.item || row === tools.parentElement || (tools.contains(document.activeElement) && row !== tooled))
		return;
	const item = row.item;
	tooled = row;
	const can = {
		copy: !item.deleted, person: Boolean(item.name) && !isMine(item),
		edit: isMine(item) && mayChange(current, item), delete: mayChange(current, item),
	};
	for (const it of tools.children)
		it.hidden = !can[it.dataset.does];
	tools.hidden = !Object.values(can).some(Boolean);
	row.append(tools);
}

function does(what, item) {
	if (what === 'copy')
		navigator.clipboard?.writeText(item.text).then(() => toast('Copied.'), () => toast('This browser does not let the page copy.'));
	else if (what === 'person')
		openPerson(item);
	else if (what === 'edit' && isMine(item) && mayChange(current, item))
		startEditing(current, item);
	else if (what === 'delete' && mayChange(current, item))
		openDelete(current, item);
}

$('list').addEventListener('pointerover', (event) => showTools(event.target.closest('.message')));
$('list').addEventListener('focusin', (event) => showTools(event.target.closest('.message')));
$('list').addEventListener('click', (event) => {
	const item = event.target.closest('.message')?.item;
	const tool = event.target.closest('[data-does]');
	if (item && tool)
		does(tool.dataset.does, item);
	else if (item?.name && event.target.closest('.name, .avatar'))
		openPerson(item);
});
$('log').addEventListener('keydown', (event) => {
	const row = event.target.closest('#list > *');
	const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
	if (event.altKey || event.ctrlKey || event.metaKey || (row && event.target !== row))
		return;
	if (by) {
		let next = log.next(row, by);
		while (next && next.tabIndex !== -1)
			next = log.next(next, by);
		if (!next?.item || (!row && by > 0))
			return;
		event.preventDefault();
		next.focus({ preventScroll: true });
		next.scrollIntoView({ block: 'nearest' });
	} else if (row && (event.key === 'e' || event.key === 'E')) {
		event.preventDefault();
		does('edit', row.item);
	} else if (row && event.key === 'Delete') {
		does('delete', row.item);
	}
});

/* ---- dialogs ---- */

const errorOf = (dialog) => dialog.querySelector('.error');

/* Opens it; SUBMIT says why it may not close by throwing. */
function open(dialog, submitted = () => {}) {
	showPanel('');
	errorOf(dialog).textContent = '';
	dialog.submitted = submitted;
	if (!dialog.open)
		dialog.showModal();
}

for (const dialog of document.querySelectorAll('dialog')) {
	dialog.addEventListener('submit', async (event) => {
		event.preventDefault();
		errorOf(dialog).textContent = '';
		try {
			await dialog.submitted();
			dialog.close();
		} catch (error) {
			errorOf(dialog).textContent = inWords(error);
		}
	});
	dialog.addEventListener('click', (event) => {
		if (event.target === dialog || event.target.closest('[data-close]'))
			dialog.close();
	});
	dialog.addEventListener('close', () => document.activeElement === document.body && text.focus());
}

function nameRefused(error, field, name, why) {
	error.textContent = why.code === 'name_taken' ? `Somebody else is “${name}”. Please choose another name.` : inWords(why);
	field.setAttribute('aria-invalid', 'true');
}

async function rename(name, error, field) {
	error.textContent = '';
	field.setAttribute('aria-invalid', 'false');
	try {
		if ((name || null) !== chat.name)
			await chat.rename(name || null);
	} catch (why) {
		nameRefused(error, field, name, why);
		field.focus();
		throw why;
	}
	for (const storage of [here, always])
		storage.set('name', chat.name);
	$('name-error').textContent = '';
	showMe();
}

$('hello').addEventListener('submit', async (event) => {
	event.preventDefault();
	await rename($('name').value.trim(), $('name-error'), $('name')).then(() => text.focus(), () => {});
});
$('later').addEventListener('click', () => {
	here.set('guest', true);
	$('name-error').textContent = '';
	showMe();
	text.focus();
});

for (const it of HUES) {
	const label = make('label'), input = make('input');
	Object.assign(input, { type: 'radio', name: 'hue', value: it, ariaLabel: `colour ${HUES.indexOf(it) + 1}` });
	label.style.setProperty('--hue', it);
	label.append(input);
	$('colors').append(label);
}

function openMe() {
	const dialog = $('d-me');
	$('my-name').value = chat.name ?? '';
	$('my-name').setAttribute('aria-invalid', 'false');
	$('token').value = '';
	for (const it of document.querySelectorAll('[name=hue]'))
		it.checked = Number(it.value) === myHue();
	const logged = Boolean(here.get('token'));
	$('logged').hidden = !chat.user;
	$('logged').textContent = chat.user ? `Logged in as ${chat.user}${chat.role === 'user' ? '' : `, ${chat.role}`}.` : '';
	$('login').open = Boolean(ended) || expiring || current?.gone?.code === 'login_needed';
	$('logout').hidden = !logged;
	open(dialog, async () => {
		const chosen = dialog.querySelector('[name=hue]:checked');
		if (chosen && Number(chosen.value) !== myHue())
			always.set('hue', hue = Number(chosen.value));
		if ($('token').value)
			await logIn($('token').value.trim());
		if (chat.state === 'open')
			await rename($('my-name').value.trim(), $('me-error'), $('my-name'));
		showMe();
	});
}

async function logIn(token) {
	const { token: was } = chat.options;
	ended = null;
	try {
		await chat.auth(token);
	} catch (error) {
		if (chat.state === 'open') // refused: the next connection is to go on as this one
			chat.options.token = was;
		throw error;
	}
	here.set('token', token);
	expiring = false;
	if (chat.name)
		$('my-name').value = chat.name;
	opened();
	showRoom();
}

$('me').addEventListener('click', openMe);
$('logout').addEventListener('click', () => {
	here.set('token', null);
	location.reload();
});

function openRooms() {
	const dialog = $('d-rooms');
	$('room-name').value = '';
	$('leave').hidden = !current;
	$('leave').textContent = `Leave ${current?.title}`;
	open(dialog, () => {
		const name = $('room-name').value.trim().replace(/^#/, '');
		if (name)
			go(`#${name.normalize('NFC')}`);
	});
	fillRooms();
}

let publicRooms = [];
async function fillRooms() {
	publicRooms = [];
	showPublic();
	try {
		let page = { more: true };
		for (let i = 0; page.more && i < 5; i++) {
			page = await chat.rooms({ after: publicRooms.at(-1)?.room, limit: 200 });
			publicRooms.push(...page.rooms);
		}
		publicRooms.sort((a, b) => b.members + b.guests - a.members - a.guests);
		showPublic();
	} catch (error) {
		errorOf($('d-rooms')).textContent = inWords(error);
	}
}

function showPublic() {
	const wanted = nameKey($('room-name').value).replace(/^#/, '');
	const rooms = publicRooms.filter(({ room }) => nameKey(room).includes(wanted)).slice(0, 100);
	$('public').replaceChildren(...rooms.map(({ room, members, guests, topic }) => {
		const li = make('li');
		const b = button('', () => {
			$('d-rooms').close();
			go(`#${room}`);
			text.focus();
		});
		const n = members + guests;
		b.append(hash(), make('bdi', '', room), make('span', 'topic', topic ?? ''),
			make('span', 'n', `${n} ${n === 1 ? 'person' : 'people'}`));
		li.append(b);
		return li;
	}));
}

$('room-name').addEventListener('input', showPublic);
$('browse').addEventListener('click', openRooms);
$('leave').addEventListener('click', () => {
	$('d-rooms').close();
	leave(current);
});

function openPerson({ name, user, color }) {
	const dialog = $('d-person'), talk = current;
	const who = user ? { user } : { name };
	const key = chat.user && user ? `@${user}` : `~${name}`;
	avatar(name, hueOf(name, color), dialog.querySelector('.avatar'));
	$('d-person-title').textContent = name || user;
	$('person-user').textContent = user ? `Logged in as ${user}` : 'Not logged in';
	$('person-direct').hidden = user ? user === chat.user : nameKey(name) === nameKey(chat.name);
	$('person-direct').onclick = () => {
		dialog.close();
		talkOf(key).title = name || user;
		go(key);
		text.focus();
	};
	$('moderate').hidden = !isModerator(talk) || $('person-direct').hidden;
	$('reason').value = '';
	open(dialog, async () => {
		if ($('moderate').hidden)
			return;
		const what = $('measure').value, seconds = Number($('duration').value);
		const options = $('reason').value.trim() ? { reason: $('reason').value.trim() } : {};
		if (what === 'kick')
			await talk.room.kick(who, options);
		else
			await talk.room[what.replace('un', '')](who, what.startsWith('un') ? 0 : seconds, options);
		toast(`Done: ${$('measure').selectedOptions[0].textContent.split(':')[0].toLowerCase()}, ${name || user}.`);
	});
}
$('measure').addEventListener('change', () => {
	$('duration').disabled = !['mute', 'ban'].includes($('measure').value);
});

$('edit-topic').addEventListener('click', () => {
	const talk = current;
	$('new-topic').value = talk.topic ?? '';
	open($('d-topic'), () => talk.room.setTopic($('new-topic').value.trim()));
});

function openDelete(talk, item) {
	$('d-delete').querySelector('blockquote').textContent = item.text.slice(0, 300);
	open($('d-delete'), async () => {
		await talk.place.delete(item.seq);
		log.rowOf(item)?.focus({ preventScroll: true });
	});
}

/* ---- emoji ---- */

function showEmoji(on) {
	if ($('emoji').hidden === !on)
		return;
	$('emoji').hidden = !on;
	$('smile').setAttribute('aria-expanded', `${on}`);
	if (!on)
		return text.focus();
	$('emoji-find').value = '';
	fillEmoji();
	$('emoji-find').focus();
}

function fillEmoji() {
	const wanted = $('emoji-find').value.trim().replaceAll(':', '').toLowerCase();
	$('emoji-grid').replaceChildren(...Object.entries(EMOJI).filter(([word]) => word.includes(wanted)).map(([word, it], i) => {
		const b = button(it, () => {
			text.setRangeText(it, text.selectionStart, text.selectionEnd, 'end');
			showEmoji(false);
			grow();
		});
		b.ariaLabel = word.replaceAll('_', ' ');
		b.title = `:${word}:`;
		b.tabIndex = i ? -1 : 0;
		return b;
	}));
}

$('smile').addEventListener('click', () => showEmoji($('emoji').hidden));
$('emoji-find').addEventListener('input', fillEmoji);
$('emoji').addEventListener('keydown', (event) => {
	const all = [...$('emoji-grid').children], at = all.indexOf(event.target);
	const columns = all.filter((it) => it.offsetTop === all[0].offsetTop).length;
	const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: at < 0 ? 1 : columns }[event.key];
	if (event.key === 'Escape') {
		event.stopPropagation();
		showEmoji(false);
	} else if (event.key === 'Enter' && at < 0) {
		event.preventDefault();
		all[0]?.click();
	} else if (by && (at >= 0 || event.key === 'ArrowDown')) {
		event.preventDefault();
		(all[at + by] ?? $('emoji-find')).focus();
	}
});
document.addEventListener('pointerdown', (event) => {
	if (!$('emoji').hidden && !event.target.closest('#emoji, #smile'))
		showEmoji(false);
});

/* ---- the panels at the sides ---- */

let panelBy = null; // what had the focus before
function showPanel(which) {
	const was = document.body.dataset.panel ?? '';
	document.body.dataset.panel = which;
	const over = which && (which === 'rooms' ? narrow : middle).matches;
	$('shade').hidden = !over;
	document.querySelector('main').inert = Boolean(over);
	$('open-rooms').setAttribute('aria-expanded', `${which === 'rooms'}`);
	$('open-people').setAttribute('aria-expanded', `${middle.matches ? which === 'people' : !document.body.classList.contains('alone')}`);
	if (over && which !== was) {
		panelBy = document.activeElement;
		$(which).querySelector('.close').focus();
	} else if (!which && was && panelBy) {
		(panelBy.isConnected ? panelBy : text).focus();
		panelBy = null;
	}
}

$('open-rooms').addEventListener('click', () => showPanel('rooms'));
$('open-people').addEventListener('click', () => {
	if (!middle.matches)
		document.body.classList.toggle('alone');
	showPanel(middle.matches ? 'people' : '');
});
$('shade').addEventListener('click', () => showPanel(''));
document.querySelectorAll('.close').forEach((it) => it.addEventListener('click', () => {
	if (!middle.matches)
		document.body.classList.add('alone');
	showPanel('');
}));
for (const media of [narrow, middle])
	media.addEventListener('change', () => showPanel(''));

/* ---- keys for all of it ---- */

addEventListener('keydown', (event) => {
	if (document.querySelector('dialog[open]'))
		return;
	if (event.key === 'k' && (event.ctrlKey || event.metaKey)) {
		event.preventDefault();
		openRooms();
	} else if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
		event.preventDefault();
		const keys = [...talks.keys()], at = keys.indexOf(current.key);
		go(keys[(at + (event.key === 'ArrowUp' ? -1 : 1) + keys.length) % keys.length]);
		text.focus();
	} else if (event.key === 'Escape') {
		if (document.body.dataset.panel)
			return showPanel('');
		if (editing)
			stopEditing();
		else if (current) {
			current.mark = null;
			log.toEnd();
		}
		text.focus();
	}
});

addEventListener('hashchange', () => go(keyOf(placeHere())));
document.addEventListener('visibilitychange', () => {
	if (!document.hidden && current) {
		log.update(current.items);
		seen();
	}
});

/* ---- begin ---- */

showPanel('');
showMe();
for (const name of always.get('rooms') ?? [])
	talkOf(`#${name}`);
if (location.hash || talks.size)
	go(location.hash ? keyOf(placeHere()) : talks.keys().next().value);
connect();
if (matchMedia('(pointer: fine)').matches)
	text.focus();
