/*
 * widget.js: a chat box for any page, of any server:
 *
 *     <script src="https://chat.example.com/widget.js" data-room="support" async></script>
 *
 * It is in a shadow root: the page's styles do not reach it, nor its styles the page; only the custom
 * properties --natter-* do. It connects when it is opened, and again while it is open on the next page.
 * Of the attributes: data-room, data-title, data-name, data-token, data-token-url (asked for a token, with the
 * page's cookies), data-open, data-side ("start": at the other side), data-theme ("light" or "dark").
 */
(() => {
'use strict';

const { src, dataset } = document.currentScript;
const at = (file) => new URL(file, src);
const { room: roomName = 'lobby', title = 'Chat', name, token, tokenUrl, side = 'end', theme = '' } = dataset;
const HISTORY = 30, PAGE = 50, GROUP = 5 * 60 * 1000;

const CSS = `
:host { display: contents; }
#frame {
	all: initial;
	--paper: var(--natter-paper, #fffefb); --ink: var(--natter-ink, #1e2b26); --soft: var(--natter-soft, #5a665f);
	--line: var(--natter-line, #e3ddcf); --theirs: var(--natter-theirs, #f2eee4); --accent: var(--natter-accent, #12684f);
	--on-accent: var(--natter-on-accent, #fff); --error: var(--natter-error, #a3301c); --light: 0.46; --tone: 0.11;
	position: fixed; inset-block-end: var(--natter-bottom, 20px); inset-inline-end: var(--natter-side, 20px);
	z-index: var(--natter-z, 2147483000); color-scheme: light; color: var(--ink);
	font: var(--natter-font, 15px/1.45 -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif);
}
:host([data-side="start"]) #frame { inset-inline: var(--natter-side, 20px) auto; }
@media (prefers-color-scheme: dark) {
	:host(:not([data-theme="light"])) #frame {
		--paper: var(--natter-paper, #1a2320); --ink: var(--natter-ink, #e4ece7); --soft: var(--natter-soft, #a3b2aa);
		--line: var(--natter-line, #2d3934); --theirs: var(--natter-theirs, #25302b); --accent: var(--natter-accent, #63d0a6);
		--on-accent: var(--natter-on-accent, #06251a); --error: var(--natter-error, #ff9c86); --light: 0.82; --tone: 0.09; color-scheme: dark;
	}
}
:host([data-theme="dark"]) #frame {
	--paper: var(--natter-paper, #1a2320); --ink: var(--natter-ink, #e4ece7); --soft: var(--natter-soft, #a3b2aa);
	--line: var(--natter-line, #2d3934); --theirs: var(--natter-theirs, #25302b); --accent: var(--natter-accent, #63d0a6);
	--on-accent: var(--natter-on-accent, #06251a); --error: var(--natter-error, #ff9c86); --light: 0.82; --tone: 0.09; color-scheme: dark;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button, input, textarea { font: inherit; color: inherit; }
button { border: 0; background: none; cursor: pointer; padding: 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
:is(input, textarea):focus-visible { outline-offset: -1px; }
svg { width: 1.5em; height: 1.5em; fill: none; stroke: currentcolor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; display: block; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
#launch { display: grid; place-items: center; width: 56px; height: 56px; margin-inline-start: auto; border-radius: 50%; background: var(--accent); color: var(--on-accent); box-shadow: 0 4px 18px rgb(0 0 0 / 25%); position: relative; }
:host([data-side="start"]) #launch { margin-inline: 0 auto; }
#badge { position: absolute; inset: -3.2px -3.2px auto auto; min-width: 20.8px; padding: 0 4.8px; border-radius: 16px; background: var(--error); color: var(--paper); font-size: 12px; font-weight: 700; line-height: 20.8px; }
#box { display: flex; flex-direction: column; width: min(var(--natter-width, 360px), calc(100vw - 32px)); height: min(var(--natter-height, 512px), calc(100dvh - 112px)); margin-block-end: 12px; border: 1px solid var(--line); border-radius: var(--natter-radius, 16px); background: var(--paper); box-shadow: 0 12px 44px rgb(0 0 0 / 25%); overflow: hidden; }
header { display: flex; align-items: center; gap: 9.6px; padding: 11.2px 9.6px 11.2px 16px; border-bottom: 1px solid var(--line); }
h2 { flex: 1; min-width: 0; margin: 0; font-size: 16px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
#count { font-size: 13px; color: var(--soft); }
.icon { display: grid; place-items: center; width: 33.6px; height: 33.6px; border-radius: 9.6px; color: var(--soft); flex: none; }
.icon:hover { background: var(--theirs); }
#state { margin: 0; padding: 5.6px 16px; font-size: 13px; color: var(--error); border-bottom: 1px solid var(--line); }
#log { flex: 1; min-height: 0; overflow: hidden auto; overflow-anchor: none; overscroll-behavior: contain; padding: 9.6px 12.8px; }
#log:focus-visible { outline-offset: -2px; }
#begin, .note, #typing { margin: 0; padding: 4.8px 3.2px; font-size: 13px; color: var(--soft); text-align: center; overflow-wrap: anywhere; }
#typing { height: 25.6px; padding: 1.6px 16px; text-align: start; overflow: hidden; }
.message { display: flex; flex-direction: column; align-items: flex-start; margin-block-start: 9.6px; }
.message.more { margin-block-start: 3.2px; }
.head { font-size: 13px; font-weight: 600; color: oklch(var(--light) var(--tone) var(--hue)); padding-inline: 3.2px; max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.more .head, .mine .head { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.bubble { max-width: 88%; padding: 6.4px 12px; border-radius: 16px; border-start-start-radius: 4.8px; background: var(--theirs); overflow: clip; overflow-wrap: anywhere; unicode-bidi: isolate; }
.words { white-space: pre-wrap; }
.mine { align-items: flex-end; }
.mine .bubble { background: var(--accent); color: var(--on-accent); border-radius: 16px; border-end-end-radius: 4.8px; }
.mine a, .bubble a { color: inherit; }
.deleted .words { font-style: italic; }
.bubble code, .bubble pre { font: 0.85em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; direction: ltr; }
.bubble pre { margin: 3.2px 0; overflow-x: auto; white-space: pre; overflow-wrap: normal; }
.bubble mark { background: none; color: inherit; font-weight: 700; }
.foot { font-size: 12px; color: var(--soft); padding-inline: 4.8px; }
.failed .foot { color: var(--error); }
.foot button { text-decoration: underline; padding: 0 3.2px; color: inherit; }
form { display: flex; flex-wrap: wrap; align-items: flex-end; gap: 6.4px; padding: 0 11.2px 11.2px; }
#who label { flex-basis: 100%; font-size: 13px; color: var(--soft); }
input, textarea { flex: 1; min-width: 0; padding: 7.2px 11.2px; border: 1px solid var(--soft); border-radius: 12.8px; background: var(--paper); resize: none; max-height: 128px; }
::placeholder { color: var(--soft); opacity: 1; }
.do { min-height: 36.8px; padding: 0 12.8px; border-radius: 12.8px; background: var(--accent); color: var(--on-accent); font-weight: 600; }
#who p { flex-basis: 100%; margin: 0; font-size: 13px; color: var(--error); }
#who p:empty { display: none; }
@media (max-width: 480px) { input, textarea { font-size: 16px; } }
@media (prefers-reduced-motion: no-preference) { #box { animation: rise 0.16s ease-out; } @keyframes rise { from { opacity: 0; translate: 0 9.6px; } } }
`;

const host = document.createElement('natter-chat');
const root = host.attachShadow({ mode: 'open' });
const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);
root.adoptedStyleSheets = [sheet];
host.dataset.side = side;
host.dataset.theme = theme;

/* Elements without HTML, for pages with Trusted Types: el('p', { id: 'x' }, child, ...). */
function el(tag, attributes = {}, ...children) {
	const it = document.createElement(tag);
	for (const [key, value] of Object.entries(attributes))
		it.setAttribute(key, value);
	it.append(...children);
	return it;
}

function icon(d) {
	const NS = 'http://www.w3.org/2000/svg';
	const svg = document.createElementNS(NS, 'svg'), path = document.createElementNS(NS, 'path');
	svg.setAttribute('viewBox', '0 0 24 24');
	svg.setAttribute('aria-hidden', 'true');
	path.setAttribute('d', d);
	svg.append(path);
	return svg;
}

const badge = el('span', { id: 'badge', hidden: '' });
const launch = el('button', { id: 'launch', type: 'button', 'aria-expanded': 'false', 'aria-controls': 'box', 'aria-label': `Open: ${title}` },
	icon('M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z'), badge);
const count = el('span', { id: 'count' });
const close = el('button', { class: 'icon', type: 'button', 'aria-label': 'Close the chat' }, icon('M6 6l12 12M18 6L6 18'));
const state = el('p', { id: 'state', role: 'status', hidden: '' });
const begin = el('p', { id: 'begin' });
const rows = el('div');
const box = el('div', { id: 'log', role: 'log', 'aria-live': 'off', 'aria-label': 'Messages', tabindex: '0' }, begin, rows);
const typing = el('p', { id: 'typing' });
const nameField = el('input', { id: 'name', maxlength: '32', placeholder: 'guest', autocomplete: 'nickname' });
const nameError = el('p', { role: 'alert' });
const who = el('form', { id: 'who', hidden: '' }, el('label', { for: 'name' }, 'Your name'), nameField, el('button', { class: 'do' }, 'OK'), nameError);
const text = el('textarea', { id: 'text', rows: '1', dir: 'auto', placeholder: 'Write a message', enterkeyhint: 'send' });
const form = el('form', {}, el('label', { for: 'text', class: 'unseen' }, 'Message'), text,
	el('button', { class: 'do', 'aria-label': 'Send' }, icon('M12 19V5M6 11l6-6 6 6')));
const spoken = el('p', { class: 'unseen', 'aria-live': 'polite' });
const panel = el('section', { id: 'box', role: 'dialog', 'aria-label': title, hidden: '' },
	el('header', {}, el('h2', {}, title), count, close), state, box, typing, who, form, spoken);
root.append(el('div', { id: 'frame', dir: getComputedStyle(document.documentElement).direction }, panel, launch));

const kept = (key, value) => {
	try {
		return value === undefined ? sessionStorage.getItem(`natter-widget.${key}`) : sessionStorage.setItem(`natter-widget.${key}`, value);
	} catch {
		return null; // a browser that keeps nothing
	}
};
const storage = () => {
	try {
		return sessionStorage;
	} catch {
		return undefined;
	}
};

let started = null; // the promise of a chat

async function start() {
	const [{ Natter }, { Talk, list }, { Log }, w] =
		await Promise.all(['natter.mjs', 'talk.js', 'log.js', 'words.js'].map((it) => import(at(it).href)));
	const chat = host.chat = new Natter(at('./'), {
		name: kept('name') ?? name, storage: storage(),
		token: tokenUrl ? async () => {
			const answer = await fetch(tokenUrl, { credentials: 'include' });
			if (!answer.ok)
				throw new Error(`${tokenUrl}: ${answer.status}`); // tried again
			return (await answer.text()).trim();
		} : token,
	});
	const room = host.room = chat.join(roomName, { history: HISTORY });
	const talk = new Talk('', title), typists = new Map();
	let unread = 0;

	const isMine = (item) => item.mine || (chat.user ? item.user === chat.user
		: !item.user && chat.name !== null && w.nameKey(item.name) === w.nameKey(chat.name));
	const look = (item, before) => {
		const more = item.kind === 'message' && before?.kind === 'message' && isMine(item) === isMine(before) &&
			w.nameKey(item.name) === w.nameKey(before.name) && item.time - before.time < GROUP;
		return { more, key: `${item.v} ${more} ${isMine(item)}` };
	};
	const draw = (item, { more }) => {
		if (item.kind === 'note')
			return w.make('p', 'note', item.words);
		const mine = isMine(item);
		const row = w.make('article', `message ${mine ? `mine ${item.state}` : ''} ${more ? 'more' : ''} ${item.deleted ? 'deleted' : ''}`);
		row.style.setProperty('--hue', w.hueOf(item.name, item.color));
		const words = w.make('span', 'words', item.deleted ? 'This message was deleted.' : '');
		words.append(w.format(item.text, mine ? '' : chat.name ?? ''));
		const bubble = w.make('div', 'bubble');
		bubble.dir = 'auto';
		bubble.title = new Date(item.time).toLocaleString();
		bubble.append(words);
		row.append(w.make('bdi', 'head', item.name || 'guest'), bubble);
		const foot = w.make('span', 'foot');
		if (item.edited && !item.deleted)
			foot.append('edited');
		if (mine && item.state === 'sending')
			foot.append('sending…');
		if (mine && item.state === 'failed') {
			const again = w.make('button', '', 'Try again');
			again.addEventListener('click', () => say(item));
			foot.append(`Not sent. ${item.error} `, again);
		}
		if (foot.childNodes.length)
			row.append(foot);
		return row;
	};
	const older = async () => {
		if (!talk.more || talk.loading || room.state !== 'joined')
			return;
		talk.loading = true;
		try {
			talk.older(await room.history({ before: talk.lowest, limit: PAGE }));
		} catch {
			await new Promise((done) => setTimeout(done, 2000));
		}
		talk.loading = false;
		changed();
	};
	const log = new Log(box, rows, { draw, look, older, moved: () => log?.pinned && seen() });

	function changed() {
		log.update(talk.items);
		const words = !talk.loaded || talk.more ? '…' : 'This is the beginning.';
		if (begin.textContent !== words)
			log.keep(() => { begin.textContent = words; });
	}
	function seen() {
		if (!panel.hidden && !document.hidden)
			unread = 0;
		badge.hidden = !unread;
		badge.textContent = unread > 99 ? '99+' : unread;
		launch.ariaLabel = `${panel.hidden ? 'Open' : 'Close'}: ${title}${unread ? `, ${unread} unread` : ''}`;
	}
	function showTyping() {
		typists.forEach((until, it) => until < Date.now() && typists.delete(it));
		const names = [...typists.keys()];
		typing.textContent = names.length ? `${list(names)} ${names.length > 1 ? 'are' : 'is'} typing…` : '';
	}
	function showState(words = { waiting: 'No connection. Trying again…', closed: 'Not connected.' }[chat.state] ?? '') {
		state.hidden = !words;
		state.textContent = words;
		who.hidden = chat.state !== 'open' || Boolean(chat.name || chat.user) && !nameError.textContent;
		count.textContent = room.state === 'joined' ? `${room.members + room.guests} here` : '';
	}
	async function say(item) {
		talk.failed(item, null);
		changed();
		try {
			talk.stored(item, await room.send(item.color ? { message: item.text, color: item.color } : item.text, { cid: item.cid }));
		} catch (error) {
			talk.failed(item, w.inWords(error));
		}
		changed();
	}
	function refused(error) {
		nameError.textContent = error.code === 'name_taken' ? 'Somebody else has this name.' : w.inWords(error);
		showState();
	}

	room.on('reset', (reset) => {
		talk.reset(reset);
		log.show(talk.items);
		changed();
	});
	room.on('message', (m) => {
		const item = talk.take(m);
		typists.delete(m.name);
		if (item && !isMine(item)) {
			unread++;
			spoken.textContent = `${item.name || 'guest'}: ${item.text.slice(0, 300)}`;
		}
		changed();
		showTyping();
		seen();
	});
	for (const type of ['edit', 'delete'])
		room.on(type, (m) => {
			talk.change(m);
			changed();
		});
	room.on('typing', (m) => {
		if (m.name && m.name !== chat.name)
			typists.set(m.name, Date.now() + 6000);
		showTyping();
	});
	setInterval(showTyping, 1000);
	for (const type of ['joined', 'presence'])
		room.on(type, () => showState());
	room.on('muted', (m) => {
		talk.note(m.duration ? `You are muted for ${w.duration(m.duration)}.` : 'You are not muted any more.');
		changed();
	});
	room.on('left', (error) => showState(w.inWords(error)));
	chat.on('state', () => showState());
	chat.on('close', ({ final, error }) => final && showState(w.inWords(error)));
	chat.on('renamed', () => showState());
	chat.on('error', refused);
	who.addEventListener('submit', async (event) => {
		event.preventDefault();
		nameError.textContent = '';
		try {
			kept('name', await chat.rename(nameField.value.trim() || null) ?? '');
			showState();
			text.focus();
		} catch (error) {
			refused(error);
			nameField.focus();
		}
	});
	form.addEventListener('submit', (event) => {
		event.preventDefault();
		const words = w.expand(text.value.trim());
		if (words)
			say(talk.wait({
				text: words, name: chat.name ?? '', user: chat.user ?? undefined, color: chat.name ? w.colorOf(w.hueOf(chat.name)) : undefined,
				cid: [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join(''),
			}));
		text.value = '';
		grow();
		log.toEnd();
		text.focus();
	});
	text.addEventListener('input', () => text.value && room.typing());
	document.addEventListener('visibilitychange', seen);
	host.seen = seen;
	showState();
	return chat;
}

function grow() {
	text.style.height = 'auto';
	text.style.height = `${text.scrollHeight + 2}px`;
}

function toggle(on = panel.hidden) {
	panel.hidden = !on;
	launch.ariaExpanded = `${on}`;
	launch.ariaLabel = `${on ? 'Close' : 'Open'}: ${title}`;
	kept('open', on ? '1' : '');
	if (on)
		started ??= start().catch((error) => {
			started = null;
			state.hidden = false;
			state.textContent = `The chat could not be loaded. (${error.message})`;
		});
	host.seen?.();
	(on ? text : launch).focus();
}

launch.addEventListener('click', () => toggle());
close.addEventListener('click', () => toggle(false));
panel.addEventListener('keydown', (event) => {
	event.stopPropagation(); // the page's own keys are not meant
	if (event.key === 'Escape')
		toggle(false);
});
text.addEventListener('input', grow);
text.addEventListener('keydown', (event) => {
	if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
		event.preventDefault();
		form.requestSubmit();
	}
});

host.open = () => toggle(true);
host.close = () => toggle(false);
const put = () => {
	document.body.append(host);
	if ('open' in dataset || kept('open')) {
		const { activeElement } = document;
		toggle(true);
		activeElement?.focus?.(); // the page's reader was somewhere else
		if (activeElement === document.body)
			text.blur();
	}
};
if (document.body)
	put();
else
	addEventListener('DOMContentLoaded', put);
})();
