/*
 * words.js: what the page and the widget make of texts and names. Whatever comes is text, never HTML:
 * nodes are made by createElement and createTextNode alone.
 */

export const EMOJI = Object.fromEntries((
	'smile 😄 grin 😁 joy 😂 rofl 🤣 wink 😉 blush 😊 heart_eyes 😍 kiss 😘 thinking 🤔 neutral 😐 unamused 😒 sweat 😅 ' +
	'relieved 😌 sleepy 😪 sleeping 😴 cool 😎 nerd 🤓 confused 😕 worried 😟 open_mouth 😮 cry 😢 sob 😭 scream 😱 angry 😠 ' +
	'rage 😡 shrug 🤷 facepalm 🤦 wave 👋 thumbsup 👍 thumbsdown 👎 clap 👏 pray 🙏 muscle 💪 ok_hand 👌 raised_hands 🙌 ' +
	'point_up ☝️ eyes 👀 heart ❤️ broken_heart 💔 fire 🔥 sparkles ✨ star ⭐ tada 🎉 gift 🎁 rocket 🚀 bulb 💡 bug 🐛 ' +
	'wrench 🔧 lock 🔒 key 🔑 check ✅ x ❌ warning ⚠️ question ❓ hundred 💯 tea 🍵 coffee ☕ beer 🍺 wine 🍷 pizza 🍕 cake 🍰 ' +
	'apple 🍎 cat 🐱 dog 🐶 fox 🦊 owl 🦉 tree 🌳 flower 🌸 sun ☀️ moon 🌙 cloud ☁️ rain 🌧️ snow ❄️ rainbow 🌈 music 🎵 ' +
	'book 📖 mail ✉️ phone 📞 computer 💻 calendar 📅 clock 🕒 house 🏠 bike 🚲 train 🚆 plane ✈️'
).match(/\S+ \S+/g).map((pair) => pair.split(' ')));

/* Codes (one line, or several) and links; in turn the text in between. */
const CODE = /```(?:[\w+-]*\n)?([\s\S]+?)```|`([^`\n]+)`/g;
const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"'`]+/gi;
const SAFE = ['http:', 'https:', 'mailto:'];

export function make(tag, className = '', words = '') {
	const element = document.createElement(tag);
	if (className)
		element.className = className;
	if (words)
		element.textContent = words;
	return element;
}

/* :tea: and its like, but not in code. */
export function expand(text) {
	let out = '', at = 0;
	const plain = (s) => s.replace(/:([a-z_]+):/g, (all, word) => Object.hasOwn(EMOJI, word) ? EMOJI[word] : all);
	for (const m of text.matchAll(CODE)) {
		out += plain(text.slice(at, m.index)) + m[0];
		at = m.index + m[0].length;
	}
	return out + plain(text.slice(at));
}

/* TEXT as nodes: code, links, and where it speaks to NAME. */
export function format(text, name = '') {
	const out = document.createDocumentFragment();
	let at = 0;
	for (const m of text.matchAll(CODE)) {
		addLinks(out, text.slice(at, m.index), name);
		out.append(m[1] === undefined ? make('code', '', m[2]) : make('pre', '', m[1].replace(/\n$/, '')));
		at = m.index + m[0].length;
		if (m[1] !== undefined && text[at] === '\n')
			at++;
	}
	addLinks(out, text.slice(at), name);
	return out;
}

function addLinks(out, text, name) {
	let at = 0;
	for (const m of text.matchAll(LINK)) {
		const link = linkOf(m[0]);
		if (!link)
			continue;
		addMentions(out, text.slice(at, m.index), name);
		out.append(link);
		at = m.index + link.textContent.length;
	}
	addMentions(out, text.slice(at), name);
}

/* What closes a sentence, or the bracket around the link, is not of the link. */
function linkOf(s) {
	let end = s.length, open = s.split('(').length, closed = s.split(')').length;
	for (; end; end--) {
		const last = s[end - 1];
		if (last === ')' && closed > open)
			closed--;
		else if (!'.,;:!?]}*_…»”’'.includes(last))
			break;
	}
	const href = s.slice(0, end);
	if (!URL.canParse?.(href) && !tryUrl(href) || !SAFE.includes(new URL(href).protocol))
		return null;
	const link = make('a', '', href);
	link.href = href;
	link.target = '_blank';
	link.rel = 'noopener noreferrer nofollow';
	return link;
}

function tryUrl(s) {
	try {
		return new URL(s);
	} catch {
		return null;
	}
}

function addMentions(out, text, name) {
	const hits = name ? [...text.matchAll(mention(name))] : [];
	let at = 0;
	for (const m of hits) {
		out.append(text.slice(at, m.index), make('mark', '', m[0]));
		at = m.index + m[0].length;
	}
	out.append(text.slice(at));
}

const mention = (name) => new RegExp(`(?<![\\p{L}\\p{N}_])@?${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}(?![\\p{L}\\p{N}_])`, 'giu');

export const speaksTo = (text, name) => name !== '' && mention(name).test(text);

/* Nothing but a few emoji: shown larger. */
export const isJumbo = (text) => text.length < 30 && /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|[\u200d\ufe0f\s])+$/u.test(text);

/* Two names with the same key are the same to natterd, too. */
export const nameKey = (name) => (name ?? '').normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase();

export function initials(name) {
	const words = name.split(/[\s._-]+/).filter(Boolean).map((word) => [...word][0]);
	return (words.length > 1 ? words[0] + words.at(-1) : words[0] ?? '?').toUpperCase();
}

export const HUES = [15, 40, 65, 95, 130, 160, 185, 215, 245, 275, 305, 340];

/* The hue in which NAME is shown: COLOR's, where that is "#rrggbb" and no grey, else one by the name. CSS sets how light. */
export function hueOf(name, color) {
	const hue = typeof color === 'string' && /^#[0-9a-f]{6}$/i.test(color) ? hueOfColor(color) : NaN;
	if (!Number.isNaN(hue))
		return hue;
	let hash = 7;
	for (const character of nameKey(name))
		hash = (hash * 37 + character.codePointAt(0)) % 65521;
	return HUES[hash % HUES.length];
}

/* Of OKLCH, from sRGB; NaN for greys. */
function hueOfColor(color) {
	const [r, g, b] = [1, 3, 5].map((i) => (parseInt(color.slice(i, i + 2), 16) / 255) ** 2.2);
	const l = Math.cbrt(0.4122 * r + 0.5363 * g + 0.0514 * b);
	const m = Math.cbrt(0.2119 * r + 0.6807 * g + 0.1074 * b);
	const s = Math.cbrt(0.0883 * r + 0.2817 * g + 0.6300 * b);
	const x = 1.9780 * l - 2.4286 * m + 0.4506 * s, y = 0.0259 * l + 0.7828 * m - 0.8087 * s;
	return Math.hypot(x, y) < 0.02 ? NaN : Math.round((Math.atan2(y, x) * 180 / Math.PI + 360) % 360);
}

/* What messages carry for others, the tutorials' pages among them: a colour of this hue as #rrggbb. */
export function colorOf(hue) {
	const x = Math.cos(hue * Math.PI / 180) * 0.12, y = Math.sin(hue * Math.PI / 180) * 0.12;
	const l = (0.5 + 0.3963 * x + 0.2158 * y) ** 3, m = (0.5 - 0.1056 * x - 0.0639 * y) ** 3;
	const s = (0.5 - 0.0895 * x - 1.2915 * y) ** 3;
	return '#' + [4.0767 * l - 3.3077 * m + 0.2310 * s, -1.2684 * l + 2.6098 * m - 0.3413 * s, -0.0042 * l - 0.7034 * m + 1.7076 * s]
		.map((it) => Math.round(Math.min(1, Math.max(0, it)) ** (1 / 2.2) * 255).toString(16).padStart(2, '0')).join('');
}

/* ---- in words ---- */

const WORDS = {
	bad_name: 'This name cannot be used.',
	name_reserved: 'This name is reserved.',
	login_needed: 'This is for those who are logged in.',
	bad_token: 'This login is not known, or has expired.',
	forbidden: 'You may not do this here.',
	no_such_room: 'There is no such room.',
	too_many_rooms: 'The server has as many rooms as it may have.',
	too_many_joined: 'You are in as many rooms as you may be in.',
	bad_room: 'This cannot be a room’s name.',
	banned: 'You are banned from this room.',
	muted: 'You are muted in this room.',
	kicked: 'You were put out of this room.',
	not_joined: 'You are not in this room.',
	not_there: 'Nobody of this name is here.',
	not_yours: 'This message is not yours.',
	no_message: 'This message is not there any more.',
	too_big: 'This is too long for one message.',
	rate_limited: 'That was too much at once.',
	storage_unavailable: 'The server cannot store messages just now.',
	outcome_unknown: 'The connection broke: it may have been sent, or not.',
	connection_lost: 'The connection broke.',
	queue_full: 'Too much is waiting to be sent.',
	list_full: 'This room has as many bans and mutes as it may have.',
	replaced: 'This chat goes on in another window.',
	closed: 'The connection is closed.',
	auth_timeout: 'This chat is for those who are logged in.',
};

export function inWords({ code, message, retryAfter }) {
	const words = Object.hasOwn(WORDS, code ?? '') ? WORDS[code] : `${message ?? code}`;
	return retryAfter ? `${words} Try again in ${duration(retryAfter)}.` : words;
}

export function duration(seconds) {
	const units = [['second', 1], ['minute', 60], ['hour', 3600], ['day', 86400], ['week', 604800], ['year', 31536000]];
	const [unit, size] = units.findLast(([, it]) => seconds >= it * 0.999) ?? units[0];
	const n = Math.ceil(seconds / size - 0.001) || 1;
	return `${n} ${unit}${n === 1 ? '' : 's'}`;
}
