/*
 * natter's chat page. It speaks natterd's plain dialect over one WebSocket:
 *
 *   ws://host/ROOM?name=NAME&history=50    joins ROOM, as a guest without a name
 *   -> {"message":"hi","name":"ann","color":"#12684f"}
 *   <- {"type":"usermsg","message":"hi","name":"ann",…,"room":"lobby","seq":7,"time":1760000000000}
 *   <- {"type":"system","message":"ann connected"}
 *   <- {"type":"error","code":"name_taken","message":"somebody else has this name"}
 *
 * What one sends is shown when the server sends it back, never before: all see
 * the same, in the same order. Whatever comes is text, never HTML.
 */

const HISTORY = 50; // messages to ask for
const LINES_MAX = 1000; // shown; older ones go
const SEEN_MAX = 500; // more than HISTORY
const RETRY_FIRST = 500, RETRY_MAX = 30000, STEADY = 5000; // ms
const GROUP = 5 * 60 * 1000; // ms between messages that are shown as one person's turn
const COLORS = ['#a03a2b', '#b0640f', '#c2417f', '#3f8a2e', '#12805c', '#0f7f8c',
	'#1b6fb0', '#4a5cc4', '#7a4bc0', '#a03fa5', '#8e44ad', '#8a5a3c'];

const [log, nameField, nameError, text, state, retry, newer] =
	['log', 'name', 'name-error', 'text', 'state', 'retry', 'newer'].map((id) => document.getElementById(id));

let room; // from the address: …/chat/#tea
let name = recall(); // '' for a guest
let nameRefused = false; // somebody else has it
let waiting = []; // texts that were sent and have not come back
let socket = null;
let rejoining = false; // connect again as soon as the socket is closed
let impatient = false; // Send was pressed while there was no connection
let attempts = 0, timer; // of connecting
let seen = new Set(), lastSeq = 0; // messages that are shown
let resumed = false; // nothing new has come since we connected again
let last = {}; // the last line shown: day, and author and time where it is a message
let pinned = true; // the end of the log is in view, and is to stay there
let unread = 0; // while the page is in the background

/* ---- the connection ---- */

function address() {
	const path = room.split('/').map(encodeURIComponent).join('/');
	const url = new URL(`./${path}`, location.href); // beside this page, also behind a proxy
	url.protocol = url.protocol.replace('http', 'ws');
	url.searchParams.set('history', HISTORY);
	if (name)
		url.searchParams.set('name', name);
	return url;
}

function connect() {
	if (socket)
		return;
	clearTimeout(timer);
	showState('connecting', attempts ? 'No connection. Trying again…' : 'Connecting…');
	socket = new WebSocket(address());
	socket.onopen = () => {
		showState('open', 'Connected');
		resumed = lastSeq > 0;
		timer = setTimeout(() => { attempts = 0; }, STEADY);
		if (impatient)
			send();
	};
	socket.onmessage = (event) => receive(event.data);
	socket.onclose = (event) => {
		clearTimeout(timer);
		socket = null;
		giveBack(waiting.splice(0));
		if (rejoining) {
			rejoining = false;
			connect();
		} else if (mayReconnect(event.code)) {
			// full jitter: a thousand pages do not come back in step
			timer = setTimeout(connect, Math.random() * Math.min(RETRY_MAX, RETRY_FIRST * 2 ** attempts++));
			showState('lost', 'No connection. Trying again…');
		} else {
			showState('closed', `Disconnected: ${event.reason || `code ${event.code}`}`);
		}
	};
}

/* The codes say it: 4000 to 4499 are natter's for "come again", 4500 and up for "do not". */
function mayReconnect(code) {
	return [1001, 1005, 1006, 1011, 1012, 1013, 1014].includes(code) || (code >= 4000 && code < 4500);
}

function rejoin() {
	attempts = 0;
	if (socket) {
		rejoining = true; // only then has the server our name back
		socket.close();
	} else {
		connect();
	}
}

function showState(className, words) {
	state.className = className;
	state.textContent = words;
	retry.hidden = className !== 'lost' && className !== 'closed';
}

/* ---- what comes ---- */

function receive(data) {
	let o;
	try {
		o = JSON.parse(data);
	} catch {
		return;
	}
	if (typeof o?.message !== 'string')
		return; // some application's own
	if (o.type === 'system')
		note(o.message);
	else if (o.type === 'error')
		refused(o);
	else if (isNew(o))
		chat(o);
}

/* History shows again what we have. A server that forgot everything counts from 1 again; the time tells. */
function isNew({ seq, time }) {
	const key = `${seq} ${time}`;
	if (!Number.isInteger(seq))
		return true;
	if (seen.has(key))
		return false;
	seen.add(key);
	if (seen.size > SEEN_MAX)
		seen.delete(seen.values().next().value);
	if (resumed && seq <= lastSeq)
		note('The server has started anew. What is above this line is only in this window.');
	else if (resumed && seq > lastSeq + 1)
		note('Some messages are missing here.');
	resumed = false;
	lastSeq = seq;
	return true;
}

function refused({ code, message }) {
	if (code === 'name_taken' || code === 'bad_name') {
		nameRefused = true;
		showNameError(code === 'name_taken' ? `Somebody else is “${name}”. Please choose another name.` : message);
		markMine();
		if (waiting.length)
			nameField.focus();
	} else {
		note(`Not sent: ${message}`, 'error');
	}
	giveBack(waiting.splice(0, 1));
}

/* What the server did not take goes back to where it was written. */
function giveBack(texts) {
	text.value = [...texts, text.value].filter(Boolean).join('\n');
}

function showNameError(words) {
	nameError.textContent = words;
	nameField.setAttribute('aria-invalid', words !== '');
}

/* ---- what is shown ---- */

function make(tag, className, words) {
	const element = document.createElement(tag);
	element.className = className;
	element.textContent = words;
	return element;
}

function add(element) {
	log.append(element);
	while (log.childElementCount > LINES_MAX)
		log.firstElementChild.remove();
	if (pinned)
		toEnd();
}

function note(words, kind = '') {
	add(make('p', `note ${kind}`, words));
	last = { day: last.day };
}

function chat(o) {
	const author = typeof o.name === 'string' ? o.name : '';
	const key = nameKey(author);
	const date = new Date(Number.isFinite(o.time) ? o.time : Date.now());
	const sent = key === nameKey(name) && takeFrom(waiting, o.message);

	if (sent && name && nameRefused) { // it is free by now
		nameRefused = false;
		showNameError('');
	}
	showDay(date);
	const element = make('article', 'message', '');
	const more = last.author === key && date - last.date < GROUP && !sent === !last.sent;
	const color = /^#[0-9a-f]{6}$/i.test(o.color) ? o.color : colorOf(key);
	element.style.setProperty('--color', color);
	element.classList.toggle('more', more);
	element.dataset.author = key;
	if (sent)
		element.dataset.sent = '';

	const initial = make('span', 'initial', ([...author][0] ?? '?').toUpperCase());
	initial.ariaHidden = 'true';
	const by = make('bdi', 'name', author || 'guest');
	const bubble = make('p', 'bubble', '');
	const words = make('span', 'words', o.message);
	words.dir = 'auto';
	const time = make('time', '', date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
	time.dateTime = date.toISOString();
	time.title = date.toLocaleString();
	bubble.append(words, ' ', time);
	element.append(initial, by, bubble);

	markMine([element]);
	add(element);
	last = { day: last.day, author: key, date, sent };
	newer.hidden = pinned;
	if (document.hidden)
		showTitle(++unread);
}

function showDay(date) {
	const day = date.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long' });
	if (day !== last.day && (last.day || date.toDateString() !== new Date().toDateString()))
		note(day, 'day');
	last.day = day;
}

/* Ours is what came back to us, and what somebody of our name said before. */
function markMine(elements = log.getElementsByClassName('message')) {
	const mine = nameRefused ? '' : nameKey(name);
	for (const { classList, dataset } of elements)
		classList.toggle('mine', dataset.sent === '' || (mine !== '' && dataset.author === mine));
}

/* Two names with the same key are the same to natterd, too. */
function nameKey(s) {
	return s.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase();
}

function colorOf(key) {
	let hash = 0;
	for (const character of key)
		hash = (hash * 31 + character.codePointAt(0)) % 65521;
	return COLORS[hash % COLORS.length];
}

function takeFrom(list, item) {
	const i = list.indexOf(item);
	if (i >= 0)
		list.splice(i, 1);
	return i >= 0;
}

function toEnd() {
	log.scrollTop = log.scrollHeight;
	newer.hidden = true;
}

function showTitle() {
	document.title = `${unread ? `(${unread}) ` : ''}#${room} · natter`;
}

/* ---- what one does ---- */

function send() {
	const message = text.value.trim();
	impatient = false;
	if (!message)
		return;
	if (socket?.readyState !== WebSocket.OPEN) {
		impatient = true;
		connect();
		return;
	}
	socket.send(JSON.stringify(name ? { message, name, color: colorOf(nameKey(name)) } : { message }));
	waiting.push(message);
	text.value = '';
	pinned = true;
	toEnd();
}

function recall() {
	try {
		return sessionStorage.getItem('natter.name') ?? localStorage.getItem('natter.name') ?? '';
	} catch {
		return ''; // a browser that keeps nothing
	}
}

/* For this window; and for the next one, which may get another name. */
function remember() {
	try {
		sessionStorage.setItem('natter.name', name);
		localStorage.setItem('natter.name', name);
	} catch { /* then not */ }
}

function enterRoom() {
	room = location.hash.slice(1) || 'lobby';
	try {
		room = decodeURIComponent(room);
	} catch { /* a stray %: as it stands */ }
	document.getElementById('room').textContent = `#${room}`;
	log.querySelectorAll('.message, .note').forEach((element) => element.remove());
	seen.clear();
	lastSeq = 0;
	last = {};
	showTitle();
	rejoin();
}

document.getElementById('composer').addEventListener('submit', (event) => {
	event.preventDefault();
	send();
	text.focus();
});

text.addEventListener('keydown', (event) => {
	if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
		event.preventDefault();
		send();
	}
});
text.addEventListener('input', () => { impatient = false; });

document.getElementById('who').addEventListener('submit', (event) => {
	event.preventDefault();
	text.focus();
});

nameField.addEventListener('change', () => {
	name = nameField.value = nameField.value.trim();
	nameRefused = false;
	showNameError('');
	remember();
	markMine();
	rejoin();
});

retry.addEventListener('click', connect);
newer.addEventListener('click', toEnd);
log.addEventListener('scroll', () => {
	pinned = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
	newer.hidden = newer.hidden || pinned;
});
new ResizeObserver(() => pinned && toEnd()).observe(log);

addEventListener('hashchange', enterRoom);
addEventListener('online', () => state.className === 'lost' && connect());
document.addEventListener('visibilitychange', () => {
	unread = 0;
	showTitle();
	if (!document.hidden && state.className === 'lost')
		connect();
});

nameField.value = name;
enterRoom();
