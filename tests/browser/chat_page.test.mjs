/*
 * The chat page in a real browser, on a real daemon. Each test has a room of its own.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import axe from 'axe-core';

import WebSocket from 'ws';

import { Natter } from '../../src/web/natter.mjs';
import { launchChromium, LIMIT, Natterd } from './natterd.mjs';
import {
	connected, goTo, message, names, note, openClient, openWindow, people, put, say, seen, stored, textBox, TOKENS, troubles,
	words,
} from './people.mjs';

let natterd, browser;
let ann, ben; // two windows: the moderator, and a guest of this name
const open = []; // what else the running test has opened

const settings = (who) => (dir) => `announce = name\nstate_dir = "${dir}"\nmessage_rate = 100000\n` +
	`message_burst = 100000\nsend_queue = 64M\nhistory_max = 200\n${people(who)}`;

before(async () => {
	browser = await launchChromium();
	natterd = await Natterd.start(settings());
	[ann, ben] = await Promise.all([
		openWindow(browser, natterd, { token: TOKENS.ann }), openWindow(browser, natterd, { name: 'ben' })]);
}, LIMIT);

after(async () => {
	await browser?.close();
	await natterd?.stop();
}, LIMIT);

afterEach(async () => {
	for (const it of open.splice(0))
		await it.close();
	assert.deepEqual(troubles.splice(0), []);
});

const meetIn = async (room) => Promise.all([goTo(ann, room), goTo(ben, room)]);

async function window(options) {
	const page = await openWindow(browser, natterd, options);
	open.push(page.context());
	return page;
}

async function client(room, query) {
	const it = await openClient(natterd, room, query);
	open.push(it);
	return it;
}

/* What one expects while there is no server. */
function forgetLostConnections() {
	troubles.splice(0, Infinity, ...troubles.filter((it) => !/^WebSocket connection to .* failed|ERR_CONNECTION/.test(it)));
}

test('two windows chat with each other', LIMIT, async () => {
	await meetIn('two');
	await ann.locator('#people-list').getByText('ben').waitFor();
	assert.equal(await ann.locator('#count').textContent(), '2');

	await textBox(ann).pressSequentially('Hello');
	await ben.locator('#typing').getByText('Ann is typing…').waitFor();
	await say(ann, 'Hello, Ben! :wave: `:tea:`');
	await seen(ben, 'Hello, Ben! \u{1F44B} :tea:');
	await ben.locator('#typing:not(.on)').waitFor();
	await say(ben, 'Hello, @Ann!');
	await seen(ann, 'Hello, @Ann!');
	await say(ann, 'the end');
	await seen(ben, 'the end');
	await stored(ann, 'the end');

	for (const page of [ann, ben]) {
		assert.deepEqual(await words(page), ['Hello, Ben! \u{1F44B} :tea:', 'Hello, @Ann!', 'the end']);
		assert.deepEqual(await names(page), ['Ann', 'ben', 'Ann']);
		assert.match(await page.locator('.message time').first().getAttribute('datetime'), /^\d{4}-.*Z$/);
	}
	assert.equal(await ann.locator('.message.mine').count(), 2);
	assert.equal(await ben.locator('.message.mine').count(), 1);
	assert.deepEqual(await ann.locator('.calls mark').allTextContents(), ['@Ann']);
	assert.equal(await textBox(ann).inputValue(), '');
	await ben.locator('#spoken').getByText(/Ann: the end$/).waitFor({ state: 'attached' }); // to who does not see
});

test('a guest chats without a name, in a room of an odd name, with a tutorial\'s page', LIMIT, async () => {
	const guest = await window({ room: 'café #1?/tea' });
	assert.equal(await guest.locator('#room').textContent(), '#café #1?/tea');
	const bot = await client('café #1?/tea', '?name=bot');
	await say(guest, 'hm');
	await stored(guest, 'hm');
	put(bot, { type: 'typing' });
	put(bot, { type: 'usermsg', message: { no: 'text' } });
	put(bot, { message: 'text', color: '#3f8a2e' });
	put(bot, { message: 'more', color: [] });
	await seen(guest, 'more');
	assert.deepEqual(await words(guest), ['hm', 'text', 'more']);
	assert.deepEqual(await names(guest), ['guest', 'bot', 'bot']);
	assert.equal(await guest.locator('.message.mine').count(), 1);
	assert.match(await guest.locator('#guests').textContent(), /1 guest without a name/);

	await guest.getByLabel('Your name').first().fill('carl');
	await guest.getByRole('button', { name: 'Use this name' }).click();
	await guest.locator('#me .name').getByText('carl').waitFor();
	assert.equal(await guest.locator('#hello').isVisible(), false);
	await say(guest, 'now I am carl');
	await seen(guest, 'now I am carl');
	assert.equal((await names(guest)).at(-1), 'carl');
});

const XSS = [
	'<img src=x onerror=alert(1)><script>window.pwned=1</script>',
	'"><svg/onload=window.pwned=1>', '<iframe srcdoc="<script>parent.pwned=1</script>">', "'-alert(1)-'",
	'javascript:alert(1)', '[x](javascript:alert(1))', 'data:text/html,<script>alert(1)</script>',
	'https://example.org/"onmouseover="window.pwned=1', 'https://example.org/<script>window.pwned=1</script>',
	'`<b onclick=alert(1)>`', '```\n</pre><script>window.pwned=1</script>\n```', '{{constructor.constructor("window.pwned=1")()}}',
	'<style>*{display:none}</style><base href=//evil.example/>', '&lt;script&gt;alert(1)&lt;/script&gt;', '</textarea><math><mtext></form><form><mglyph>',
	'<a href="vbscript:x" style="position:fixed;inset:0">x</a>', '\u202eevil\u202c <marquee>', '__proto__', 'mailto:a@example.org?body=<x>',
];

test('whatever comes is text, never HTML', LIMIT, async () => {
	await meetIn('html');
	const bot = await client('html');
	for (const evil of XSS)
		await say(ann, evil);
	await ann.locator('.message.stored').nth(XSS.length - 1).waitFor(); // ahead of what the bot says
	for (const evil of XSS)
		put(bot, { message: evil, name: '<b>bot</b>', color: 'red;background:url(//x)', type: '<i>' });
	put(bot, { message: 'end', name: '<b>bot</b>' });
	await seen(ben, 'end');
	await ben.locator('.name', { hasText: '<b>bot</b>' }).first().waitFor();

	const plain = (s) => s.trim().replace(/^```\n([^]*)\n```$/, '$1').replace(/^`(.*)`$/, '$1');
	assert.deepEqual((await words(ben)).slice(0, XSS.length), XSS.map(plain));
	const tags = await ben.locator('#list').evaluate((it) => [...new Set([...it.querySelectorAll('*')].map((e) => e.localName))].sort());
	assert.deepEqual(tags.filter((tag) => !['a', 'article', 'bdi', 'button', 'code', 'div', 'p', 'pre', 'span', 'svg', 'time', 'use'].includes(tag)), []);
	for (const href of await ben.locator('#list a').evaluateAll((all) => all.map((a) => a.getAttribute('href'))))
		assert.match(href, /^(https:\/\/example\.org\/|mailto:a@example\.org)/);
	const attributes = await ben.locator('#list').evaluate((it) => [...it.querySelectorAll('*')].flatMap((e) => e.getAttributeNames()));
	assert.deepEqual(attributes.filter((it) => it.startsWith('on')), []);

	// in the places where other things are said than messages
	await ann.evaluate(() => { location.hash = encodeURIComponent('<img src=x onerror="window.pwned=1">'); });
	await ann.locator('#room').getByText('<img').waitFor();
	await ann.getByRole('button', { name: 'Change the topic' }).click();
	await ann.getByLabel('What this room is about').fill('<script>window.pwned=1</script>');
	await ann.getByRole('button', { name: 'Set', exact: true }).click();
	await ann.locator('#topic').getByText('<script>window').waitFor();
	await ann.getByRole('button', { name: 'Join a room' }).click();
	await ann.locator('#public').getByText('<img src=x').waitFor();
	await ann.keyboard.press('Escape');
	for (const page of [ann, ben])
		assert.equal(await page.evaluate(() => window.pwned), undefined);
	await ann.getByRole('link', { name: /<img/ }).waitFor();
});

/* What means something where the server says it. */
const FORGED = {
	type: 'reset', reason: 'gap', messages: [], more: true, seq: 1, time: 5, target: 1, epoch: 'zz', between: ['ann', 'bob'], user: 'ann',
	cid: 'mine', mine: true, state: 'failed', error: '<b>', kind: 'note', words: 'forged', members: 999, guests: 999, role: 'admin',
	topic: 'forged', read_only: true, expects: 1, v: 7, key: '#x', room: 'elsewhere',
};

test('what any guest can write is believed nowhere', LIMIT, async () => {
	await meetIn('forged');
	await say(ann, 'first');
	await stored(ann, 'first');
	await seen(ben, 'first');
	const bot = await client('forged', '?name=bot');
	const types = ['reset', 'left', 'relay', 'message', 'typing', 'read', 'note', '__proto__', 'usermsg'];
	for (const type of types) {
		put(bot, { ...FORGED, type });
		put(bot, { ...FORGED, type, message: `of ${type}` });
	}
	for (const odd of [7, null, true, [], {}, ['x'], { toString: 1 }])
		put(bot, { ...FORGED, type: undefined, message: odd });
	put(bot, { message: 'color', color: { toString: 1 }, user: {}, name: ['ann'] });
	put(bot, { message: 'end' });
	const all = ['first', ...types.map((type) => `of ${type}`), 'color', 'end'];
	for (const page of [ann, ben]) {
		await seen(page, 'end');
		assert.deepEqual(await words(page), all);
		assert.deepEqual(await names(page), ['Ann', ...all.slice(1).map(() => 'bot')]);
		assert.equal(await page.locator('.message.mine').count(), page === ann ? 1 : 0);
		assert.equal(await page.locator('.message:is(.deleted, .failed, .sending)').count(), 0);
		assert.equal(await page.locator('#count').textContent(), '3');
		assert.equal(await page.locator('#topic').textContent(), '');
		assert.equal(await page.getByText('forged', { exact: true }).filter({ visible: true }).count(), 1); // the room's entry
		assert.equal(await page.locator('#banner').textContent(), '');
		assert.equal(await textBox(page).getAttribute('placeholder'), 'Write to #forged');
	}
	await ben.reload(); // and so in the past
	await seen(ben, 'end');
	assert.deepEqual(await words(ben), all);
	assert.equal(await ben.locator('.message.mine').count(), 0);
	await ben.locator('.message').last().hover();
	assert.equal(await ben.getByRole('button', { name: 'Change', exact: true }).isVisible(), false);
	await say(ben, 'last');
	await seen(ann, 'last');
});

test('links, codes and lines are shown as such', LIMIT, async () => {
	await meetIn('marks');
	await say(ben, 'see https://example.org/a_(b)?c=d&e. Or (http://example.org), `x < y`:\n```js\nlet a = 1;\n\tb();\n```\n  end');
	await ann.locator('.message a').first().waitFor();
	const links = await ann.locator('.message a').evaluateAll((all) => all.map((a) => [a.href, a.rel, a.target]));
	assert.deepEqual(links.map(([href]) => href), ['https://example.org/a_(b)?c=d&e', 'http://example.org/']);
	assert.ok(links.every(([, rel, target]) => rel === 'noopener noreferrer nofollow' && target === '_blank'));
	assert.deepEqual(await ann.locator('.message :is(code, pre)').allTextContents(), ['x < y', 'let a = 1;\n\tb();']);
	await say(ben, 'שלום עולם');
	await seen(ann, 'שלום עולם');
	assert.equal(await message(ann, 'שלום עולם').locator('.body').evaluate((it) => getComputedStyle(it).direction), 'rtl');
	await say(ben, 'long '.repeat(1000));
	await ann.getByRole('button', { name: 'Show all' }).click();
	await ann.getByRole('button', { name: 'Show all' }).waitFor({ state: 'detached' });
});

test('a reload shows the past, the name, and what was not read', LIMIT, async () => {
	await meetIn('past');
	for (const it of ['one', 'two', 'three'])
		await say(ben, it);
	await stored(ben, 'three');
	await seen(ann, 'three');
	await goTo(ann, 'elsewhere');
	await say(ben, 'four, @ann');
	await ann.getByRole('link', { name: 'past 1 unread' }).waitFor();
	assert.equal(await ann.title(), '(1) #elsewhere · natter');
	await ben.waitForTimeout(1200); // what ben has read is noted
	await ben.reload();
	await seen(ben, 'four, @ann');
	assert.deepEqual(await words(ben), ['one', 'two', 'three', 'four, @ann']);
	await ben.locator('#me .name').getByText('ben').waitFor();
	assert.equal(await ben.locator('.message.mine').count(), 4);
	assert.equal(await ben.locator('.mark').count(), 0);

	await ann.getByRole('link', { name: 'past 1 unread' }).click();
	await ann.locator('.message', { has: ann.locator('.mark') }).getByText('four, ').waitFor();
	await ann.getByRole('link', { name: 'past', exact: true }).waitFor();
	assert.equal(await ann.title(), '#past · natter');
});

test('what was read stays read: in another room at once, over a reload, in another browser', LIMIT, async () => {
	await meetIn('read 1');
	const [bob, guest] = await Promise.all([window({ token: TOKENS.bob, room: 'read 1' }), window({ name: 'gus', room: 'read 1' })]);
	const bot = await client('read 1', '?name=bot'), other = await client('read 2', '?name=bot2');
	put(bot, { message: 'one' });
	put(other, { message: 'two' });
	for (const page of [bob, guest]) {
		await seen(page, 'one');
		await goTo(page, 'read 2'); // before it is noted
		await seen(page, 'two');
		await goTo(page, 'read 3');
	}
	await Promise.all([bob, guest].map((page) => page.waitForFunction(() => {
		const read = JSON.parse(localStorage.getItem('natter.read') ?? '{}');
		return read['#read 1']?.seq === 1 && read['#read 2']?.seq === 1;
	})));
	put(bot, { message: 'three' });
	for (const page of [bob, guest]) {
		await page.getByRole('link', { name: 'read 1 1 unread' }).waitFor();
		await page.reload();
		await page.getByRole('link', { name: 'read 1 1 unread' }).waitFor();
		await page.getByRole('link', { name: 'read 2', exact: true }).waitFor();
		assert.equal(await page.title(), '(1) #read 3 · natter');
		await page.getByRole('link', { name: 'read 1 1 unread' }).click();
		await page.locator('.message', { has: page.locator('.mark') }).getByText('three').waitFor();
	}
	await bob.waitForFunction(() => JSON.parse(localStorage.getItem('natter.read'))['#read 1'].seq === 2);
	const elsewhere = await window({ token: TOKENS.bob, room: 'read 1' }); // who logs in takes it along
	await seen(elsewhere, 'three');
	assert.equal(await elsewhere.locator('.mark').count(), 0);
});

test('a name that somebody else has is refused in words', LIMIT, async () => {
	await meetIn('names');
	const page = await window({ room: 'names' });
	await page.getByLabel('Your name').first().fill('Ben');
	await page.getByLabel('Your name').first().press('Enter');
	await page.getByRole('alert').getByText('Somebody else is “Ben”. Please choose another name.').waitFor();
	assert.equal(await page.getByLabel('Your name').first().getAttribute('aria-invalid'), 'true');
	await page.getByLabel('Your name').first().fill('dan');
	await page.getByLabel('Your name').first().press('Enter');
	await page.locator('#me .name').getByText('dan').waitFor();

	// with that name already noted, from another window
	const second = await openWindow(browser, natterd, { room: 'names' });
	open.push(second.context());
	await second.evaluate(() => sessionStorage.setItem('natter.name', '"dan"'));
	await second.reload();
	await second.getByRole('alert').getByText('Somebody else is “dan”').waitFor();

	await page.getByRole('button', { name: 'dan Connected' }).click();
	await page.locator('#my-name').fill('dora');
	await page.getByLabel('colour 5').check();
	await page.getByRole('button', { name: 'Save' }).click();
	await note(ann, 'dan, now dora');
	await say(page, 'it is me');
	await seen(ben, 'it is me');
	assert.deepEqual(await names(ben), ['dora']);
	const color = async (it) => {
		let is = '';
		while (!is) // of a row that is just exchanged for its copy
			is = await message(it, 'it is me').locator('.name').evaluate((e) => getComputedStyle(e).color);
		return is;
	};
	assert.equal(await color(ben), await color(page));
});

test('a guest whose name belongs to somebody who logs in is told, and takes another', LIMIT, async () => {
	const guest = await window({ name: 'eve', room: 'renamed' });
	await say(guest, 'I am eve');
	await stored(guest, 'I am eve');
	const eve = await window({ token: TOKENS.eve, room: 'renamed' });
	await guest.locator('#toast').getByText('Your name belongs to somebody who has logged in: please choose another one.').waitFor();
	assert.equal(await guest.locator('#toast').getAttribute('role'), 'status');
	await guest.locator('#me .name').getByText('guest').waitFor();
	await guest.getByLabel('Your name').first().fill('eva');
	await guest.getByLabel('Your name').first().press('Enter');
	await guest.locator('#me .name').getByText('eva').waitFor();
	await say(guest, 'now eva');
	await seen(eve, 'now eva');
	assert.deepEqual(await names(eve), ['eve', 'eva']);
});

test('a user without a name is called as the site calls them', LIMIT, async () => {
	await meetIn('nameless');
	const pat = new Natter(natterd.url, { WebSocket, token: TOKENS.pat });
	open.push(pat);
	await pat.join('nameless').ready;
	await note(ann, 'pat came');
	const late = await window({ name: 'late', room: 'nameless' });
	for (const page of [ann, late])
		await page.locator('#people-list').getByText('pat', { exact: true }).waitFor();
	await pat.rename('Patricia');
	for (const page of [ann, late]) {
		await page.locator('#people-list').getByText('Patricia', { exact: true }).waitFor();
		await page.locator('#people-list').getByText('pat', { exact: true }).waitFor({ state: 'detached' });
	}
});

test('one changes and deletes what one said, by keys alone', LIMIT, async () => {
	await meetIn('keys');
	await textBox(ben).focus();
	await ben.keyboard.type('teh tea\n');
	await stored(ben, 'teh tea');
	await ben.keyboard.press('ArrowUp');
	await ben.getByText('You are changing a message').waitFor();
	assert.equal(await textBox(ben).inputValue(), 'teh tea');
	await textBox(ben).fill('the tea');
	await ben.keyboard.press('Enter');
	await seen(ann, 'the tea');
	await message(ann, 'the tea').getByText('edited').waitFor();
	await ben.keyboard.type('second\n');
	await stored(ben, 'second');

	await ben.locator('#log').focus();
	await ben.keyboard.press('ArrowUp');
	await ben.keyboard.press('ArrowUp');
	assert.equal(await ben.locator('.message:focus .words').textContent(), 'the tea');
	await ben.keyboard.press('Delete');
	await ben.getByRole('heading', { name: 'Delete this message' }).waitFor();
	await ben.locator('#d-delete').getByRole('button', { name: 'Delete' }).press('Enter');
	await message(ann, 'This message was deleted.').waitFor();
	assert.deepEqual(await words(ann), ['This message was deleted.', 'second']);
	await ann.reload();
	await seen(ann, 'second');
	assert.deepEqual(await words(ann), ['This message was deleted.', 'second']);

	// to another room and back, with the dialog
	await ben.keyboard.press('Control+k');
	await ben.keyboard.type('other keys\n');
	await ben.locator('#room').getByText('#other keys').waitFor();
	await ben.keyboard.press('Alt+ArrowUp');
	await ben.locator('#room').getByText('#keys').waitFor();
	assert.equal(await ben.evaluate(() => document.activeElement.id), 'text');
	await ben.keyboard.press('Tab');
	assert.equal(await ben.evaluate(() => document.activeElement.id), 'smile');
	await ben.keyboard.press('Enter');
	await ben.keyboard.type('coffee');
	await ben.keyboard.press('Enter');
	assert.equal(await textBox(ben).inputValue(), '☕');
	await textBox(ben).fill('');
});

test('moderators mute, put out, ban and delete', LIMIT, async () => {
	await meetIn('rules');
	await say(ben, 'spam');
	await seen(ann, 'spam');
	const card = async (measure, duration, reason) => {
		await ann.locator('#people-list').getByRole('button', { name: 'ben' }).click();
		await ann.getByLabel('What', { exact: true }).selectOption({ label: measure });
		if (duration)
			await ann.getByLabel('For', { exact: true }).selectOption({ label: duration });
		await ann.getByLabel('Reason').fill(reason);
		await ann.getByRole('button', { name: 'Do it' }).click();
		await ann.getByRole('heading', { name: 'ben' }).waitFor({ state: 'hidden' });
	};

	await card('Mute: may only listen', '5 minutes', 'hush');
	await note(ben, 'You are muted for 5 minutes by Ann: hush');
	await say(ben, 'but');
	await message(ben, 'but').getByText('Not sent. You are muted in this room. Try again in 5 minutes.').waitFor();
	await card('Lift a mute', null, '');
	await note(ben, 'You are not muted any more by Ann.');
	await message(ben, 'but').getByRole('button', { name: 'Try again' }).click();
	await stored(ben, 'but');
	await seen(ann, 'but');

	await message(ann, 'spam').hover();
	await message(ann, 'spam').getByRole('button', { name: 'Delete' }).click();
	await ann.locator('#d-delete').getByRole('button', { name: 'Delete' }).click();
	await message(ben, 'This message was deleted.').waitFor();

	await card('Put out: may come back', null, 'enough');
	await ben.locator('#banner').getByText('You were put out of this room by Ann: enough.').waitFor();
	await ben.getByRole('button', { name: 'Join again' }).click();
	await ann.locator('#people-list').getByText('ben').waitFor();
	await ben.locator('#banner:empty').waitFor({ state: 'attached' });

	await card('Ban', 'an hour', '');
	await ben.locator('#banner').getByText('You are banned from this room for 1 hour by Ann.').waitFor();
	await ben.getByRole('button', { name: 'Join again' }).click();
	await ben.locator('#banner').getByText(/You are banned from this room\. Try again in/).waitFor();
	await message(ann, 'but').hover();
	await message(ann, 'but').getByRole('button', { name: 'Who is this?' }).click();
	await ann.getByLabel('What', { exact: true }).selectOption({ label: 'Lift a ban' });
	await ann.getByRole('button', { name: 'Do it' }).click();
	await ann.locator('#toast').getByText('Done').waitFor();
	await ben.getByRole('button', { name: 'Join again' }).click();
	await ann.locator('#people-list').getByText('ben').waitFor();
	assert.deepEqual(await words(ben), ['This message was deleted.', 'but']);
	assert.equal(await ben.locator('#edit-topic').isVisible(), false);
});

test('direct messages are between two', LIMIT, async () => {
	await meetIn('direct');
	const bob = await window({ token: TOKENS.bob, room: 'direct' });
	await ann.locator('#people-list').getByRole('button', { name: 'Bob' }).click();
	await ann.getByRole('button', { name: 'Send a direct message' }).click();
	await say(ann, 'psst');
	await stored(ann, 'psst');
	await bob.getByRole('link', { name: 'Ann 1 unread' }).click();
	await seen(bob, 'psst');
	await say(bob, 'yes?');
	await seen(ann, 'yes?');
	assert.deepEqual(await words(ann), ['psst', 'yes?']);
	await bob.reload();
	await bob.getByText('What you and').waitFor();
	assert.deepEqual(await words(bob), ['psst', 'yes?']);

	// with a guest: relayed
	await ann.getByRole('link', { name: 'direct', exact: true }).click();
	await ann.locator('#people-list').getByRole('button', { name: 'ben' }).click();
	await ann.getByRole('button', { name: 'Send a direct message' }).click();
	await say(ann, 'hello, guest');
	await stored(ann, 'hello, guest');
	await ben.getByRole('link', { name: 'Ann 1 unread' }).click();
	await seen(ben, 'hello, guest');
	assert.equal(await ben.locator('#list').getByText('psst').count(), 0);

	// of who has no name, and of many
	const v1 = new Natter(natterd.url, { WebSocket });
	open.push(v1);
	await v1.direct({ name: 'Ann' }, 'who am I?');
	await ann.getByRole('link', { name: 'Guests without a name 1 unread' }).click();
	await seen(ann, 'who am I?');
	assert.deepEqual(await names(ann), ['guest']);
	assert.equal(await textBox(ann).getAttribute('placeholder'), 'Who has no name cannot be answered');
	await ann.keyboard.type('x');
	assert.equal(await textBox(ann).inputValue(), '');
	await ann.reload();
	await ann.getByText('Guests without a name have written to you.').waitFor();
	await goTo(ann, 'direct');
	for (let i = 0; i < 60; i++) {
		await v1.rename(`crowd ${i}`);
		await v1.direct({ name: 'Ann' }, `${i}`);
	}
	await ann.getByRole('link', { name: 'crowd 59 1 unread' }).waitFor();
	const entries = await ann.locator('#direct-list bdi').allTextContents();
	assert.deepEqual(entries.filter((it) => /^crowd/.test(it)), Array.from({ length: 50 }, (_, i) => `crowd ${i + 10}`));
	await ann.reload(); // they are gone
	await connected(ann);
});

/* Where SAID is on the screen. */
const topOf = (page, said) => message(page, said).evaluate((it) => it.getBoundingClientRect().top);

test('going back in history, nothing jumps', LIMIT, async () => {
	const bot = await client('history', '?name=bot');
	for (let i = 1; i <= 400; i++)
		put(bot, { message: `line ${i}` + ' and more'.repeat(i % 7 * 5) });
	const [page] = await Promise.all([window({ room: 'history', name: 'reader', viewport: { width: 700, height: 600 } })]);
	await page.locator('.words', { hasText: /^line 400\b/ }).waitFor();
	const first = () => page.locator('.message .words').first().evaluate((it) => Number(/\d+/.exec(it.textContent)));
	for (let n = 0, before = await first(); before > 1 && n < 40; n++, before = await first()) {
		const jump = await page.evaluate(async () => {
			const box = document.getElementById('log'), top = box.getBoundingClientRect().top;
			const frame = () => new Promise(requestAnimationFrame);
			const rowIn = () => [...document.querySelectorAll('.message')].find((it) => it.getBoundingClientRect().bottom > top);
			box.scrollTop = 300;
			await frame();
			const { item } = rowIn(), was = rowIn().getBoundingClientRect().top;
			const list = document.getElementById('list'), oldest = list.firstElementChild.item;
			let worst = 0;
			for (let i = 0; i < 120 && (i < 8 || list.firstElementChild.item === oldest); i++) {
				await frame();
				const now = [...document.querySelectorAll('.message')].find((it) => it.item === item);
				worst = Math.max(worst, now ? Math.abs(now.getBoundingClientRect().top - was) : Infinity);
			}
			return worst;
		});
		assert.ok(jump < 2, `it jumps by ${jump} px`);
	}
	assert.equal(await first(), 1);
	assert.ok(await page.locator('.message').count() <= 180);
	await page.getByText('This is the beginning of #history').waitFor();

	// and what is said meanwhile does not move one either
	const where = await topOf(page, 'line 7');
	put(bot, { message: 'newest' });
	await page.getByRole('button', { name: '1 new message' }).waitFor();
	assert.equal(await topOf(page, 'line 7'), where);
	await page.getByRole('button', { name: '1 new message' }).click();
	await seen(page, 'newest');
	assert.ok(await page.locator('#log').evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight) < 2);
});

/* Counts for each frame what is done in it: rows made and taken away, and how many elements the list has at its most. */
function watchWork(page) {
	return page.evaluate(() => {
		window.work = { rows: 0, most: 0, frames: [] };
		const list = document.getElementById('list'), observer = new MutationObserver(count);
		let made = 0;
		function count(records) {
			for (const { target, addedNodes, removedNodes } of records)
				made += target === list ? addedNodes.length + removedNodes.length : 0;
		}
		observer.observe(list, { childList: true });
		requestAnimationFrame(function frame() {
			count(observer.takeRecords());
			window.work.frames.push(made);
			made = 0;
			window.work.rows = Math.max(window.work.rows, list.childElementCount);
			window.work.most = Math.max(window.work.most, list.getElementsByTagName('*').length);
			requestAnimationFrame(frame);
		});
	});
}

/* How smooth it is: what a frame costs is bounded, however many there are. (Times are told, not judged: machines differ.) */
test('10,000 messages in a room stay smooth', LIMIT, async (t) => {
	const page = await window({ room: 'many', name: 'patient' });
	const bot = await client('many', '?name=bot');
	await watchWork(page);
	const seconds = await costs(page);
	for (let i = 1; i <= 10000; i++)
		put(bot, { message: `line ${i}: https://example.org/${i} is \`code\` and what else there is to say` });
	await page.locator('.words', { hasText: 'line 10000:' }).waitFor({ timeout: 120000 });
	const arriving = await page.evaluate(() => window.work.frames.splice(0));
	// at the end of it only the last hundred are drawn, and those of a frame at once
	assert.ok(Math.max(...arriving) <= 202, `${Math.max(...arriving)} rows were drawn for a frame`);

	// thousands up and down again, by a screen or so at a time: where one reads moves as far as one scrolls
	const scroll = (by, until) => page.evaluate(async ([step, last]) => {
		const box = document.getElementById('log'), list = document.getElementById('list'), top = box.getBoundingClientRect().top;
		const numberOf = (row) => Number(/line (\d+):/.exec(row.textContent)?.[1]);
		const past = () => step < 0 ? numberOf(list.firstElementChild) <= last : numberOf(list.lastElementChild) >= last;
		let steps = 0, worst = 0;
		for (; !past() && steps < 2000; steps++) {
			const rowIn = [...list.children].find((row) => row.getBoundingClientRect().bottom > top), { item } = rowIn;
			const was = rowIn.getBoundingClientRect().top, room = step < 0 ? -box.scrollTop : box.scrollHeight - box.clientHeight - box.scrollTop;
			box.scrollTop += step;
			await new Promise(requestAnimationFrame);
			const now = rowIn.isConnected ? rowIn : [...list.children].find((row) => row.item === item);
			const should = Math.abs(step) < Math.abs(room) ? step : room;
			worst = Math.max(worst, now ? Math.abs(was - should - now.getBoundingClientRect().top) : Infinity);
		}
		return { steps, worst };
	}, [by, until]);
	const up = await scroll(-1000, 6000);
	assert.ok(up.steps < 2000, 'the 6000th is never reached');
	assert.ok(up.worst < 2, `it jumps by ${up.worst} px on the way up`);
	const down = await scroll(1000, 7000);
	assert.ok(down.worst < 2, `it jumps by ${down.worst} px on the way down`);
	await page.getByRole('button', { name: 'To the newest' }).click();
	await page.locator('.words', { hasText: 'line 10000:' }).waitFor();

	const { frames, rows, most } = await page.evaluate(() => window.work);
	assert.ok(rows <= 180, `${rows} rows are in the document`);
	assert.ok(most <= 180 * 16, `${most} elements are in the list`);
	const away = frames.sort((a, b) => a - b);
	// a step over the edge of what is drawn: 50 rows come and 50 go; a jump to the end draws that anew
	assert.ok(away.filter((n) => n > 150).length <= 2, `frames with ${away.slice(-5)} rows`);
	t.diagnostic(`at most ${rows} rows, ${most} elements; arriving: ${arriving.length} frames, at most ${Math.max(...arriving)} rows drawn in one; ` +
		`scrolling: ${up.steps} steps up, ${down.steps} down, at most ${away.at(-1)} rows in one; ${await seconds()}`);
});

/* What PAGE spends its time with, from now on. */
async function costs(page) {
	const session = await page.context().newCDPSession(page);
	await session.send('Performance.enable');
	const get = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map((it) => [it.name, it.value]));
	const before = await get();
	return async () => {
		const now = await get(), spent = (name) => (now[name] - before[name]).toFixed(1);
		return `${spent('ScriptDuration')} s in scripts, ${spent('LayoutDuration')} s in layouts, ${spent('RecalcStyleDuration')} s in styles`;
	};
}

test('after a server that began anew, what is said is new', LIMIT, async () => {
	const daemon = await Natterd.start(`announce = name\njournal = memory`);
	open.push({ close: () => daemon.stop() });
	const page = await openWindow(browser, daemon, { name: 'ann', room: 'old' });
	open.unshift(page.context());
	for (let i = 0; i < 5; i++)
		await say(page, `${i}`);
	await stored(page, '4');
	await goTo(page, 'other');
	await daemon.kill();
	await page.locator('#banner').getByText('No connection.').waitFor();
	await daemon.run();
	await page.getByRole('button', { name: 'Try now' }).click({ timeout: 2000 }).catch(() => {});
	await connected(page);
	const bot = await openClient(daemon, 'old', '?name=bot');
	open.unshift(bot);
	await page.locator('#room-list').getByRole('link', { name: 'old', exact: true }).waitFor();
	put(bot, { message: 'new' });
	await page.getByRole('link', { name: 'old 1 unread' }).click();
	await seen(page, 'new');
	assert.deepEqual(await words(page), ['0', '1', '2', '3', '4', 'new']);
	forgetLostConnections();
});

test('on a phone, all is in reach and nothing sticks out', LIMIT, async () => {
	const page = await window({
		name: 'a-name-that-is-as-long-as-may-be', room: 'phone', viewport: { width: 360, height: 640 }, hasTouch: true,
		isMobile: true, colorScheme: 'dark', reducedMotion: 'reduce',
	});
	await say(page, `https://example.org/${'long'.repeat(60)}`);
	await say(page, `\`\`\`\n${'wide '.repeat(100)}\n\`\`\``);
	const bot = await client('phone', '?name=bot');
	for (let i = 0; i < 40; i++)
		put(bot, { message: `line ${i}` });
	await seen(page, 'line 39');
	assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360));
	assert.ok(await page.evaluate(() => document.getElementById('log').scrollWidth <= document.getElementById('log').clientWidth));

	const fromEnd = () => page.locator('#log').evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight);
	assert.ok(await fromEnd() < 2); // it follows what is said …
	await page.locator('#log').evaluate((log) => { log.scrollTop = 0; });
	await page.getByRole('button', { name: 'To the newest' }).waitFor();
	put(bot, { message: 'newest' });
	await page.getByRole('button', { name: '1 new message' }).waitFor();
	assert.equal(await page.locator('#log').evaluate((log) => log.scrollTop), 0); // … but not while one reads
	await page.getByRole('button', { name: '1 new message' }).tap();
	assert.ok(await fromEnd() < 2);

	await page.getByRole('button', { name: /^Rooms/ }).tap();
	await page.getByRole('link', { name: 'phone' }).waitFor();
	assert.equal(await page.evaluate(() => document.querySelector('main').inert), true);
	await page.keyboard.press('Escape');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'open-rooms');
	await page.getByRole('button', { name: /people here/ }).tap();
	await page.locator('#people-list').getByText('bot').tap();
	await page.getByRole('heading', { name: 'bot' }).waitFor();
});

test('by keys alone from the first Tab on, past all that is before the messages', LIMIT, async () => {
	const page = await window({ name: 'kim', room: 'skip' });
	const atTheBeginning = () => page.evaluate(() => {
		document.body.tabIndex = -1;
		document.body.focus();
		document.body.removeAttribute('tabindex');
	});
	await atTheBeginning();
	await page.keyboard.press('Tab');
	const skip = page.getByRole('link', { name: 'Go to the message box' });
	assert.equal(await skip.evaluate((it) => it === document.activeElement), true);
	await skip.evaluate((it) => Promise.all(it.getAnimations().map((a) => a.finished)));
	const { x, y } = await skip.boundingBox();
	assert.ok(x >= 0 && y >= 0, 'it is seen while it has the focus');
	await page.keyboard.press('Enter');
	assert.deepEqual(await page.evaluate(() => [document.activeElement.id, decodeURIComponent(location.hash)]), ['text', '#skip']);
	assert.equal(await page.locator('#room').textContent(), '#skip');
	await page.keyboard.type('no mouse\n');
	await stored(page, 'no mouse');

	// all that there is gets the focus in turn, and shows it; then the browser's own things have it
	await atTheBeginning();
	const visited = [];
	for (let i = 0; i < 40; i++) {
		await page.keyboard.press('Tab');
		const it = await page.evaluate(() => {
			const { activeElement: e } = document, { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(e);
			return e === document.body ? null : [e.id || e.textContent.trim(), outlineStyle !== 'none' && parseFloat(outlineWidth) > 0 || boxShadow !== 'none' ||
				e.matches('#composer *') && getComputedStyle(e.closest('#composer')).boxShadow !== 'none', borderColor];
		});
		if (!it || visited.some(([id]) => id === it[0]))
			break;
		visited.push(it);
	}
	assert.deepEqual(visited.filter(([, shown]) => !shown), []);
	const ids = visited.map(([id]) => id);
	for (const id of ['Go to the message box', 'browse', '#skip', 'me', 'open-people', 'log', 'text', 'smile', 'send'])
		assert.ok(ids.includes(id), `${id} is not among ${ids}`);
});

test('as systems want it: forced colours, reduced motion, from right to left', LIMIT, async () => {
	const page = await window({ name: 'lea', room: 'wants', forcedColors: 'active', reducedMotion: 'reduce' });
	await say(page, 'mine, with `code`');
	await stored(page, 'mine, with code');
	// no colour but the system's: what is told by a colour alone elsewhere has a border or words here
	const style = (selector, what) => page.locator(selector).first().evaluate((e, key) => getComputedStyle(e)[key], what);
	const system = await page.evaluate(() => {
		const it = document.createElement('p'), of = (color) => { it.style.color = color; return getComputedStyle(it).color; };
		document.body.append(it);
		return [of('CanvasText'), of('LinkText'), of('ButtonText'), it.remove()];
	});
	assert.ok(system.includes(await style('.message .name', 'color')));
	assert.equal(await style('.message .avatar', 'borderTopStyle'), 'solid');
	assert.notEqual(await style('#composer', 'borderTopStyle') + await style('#text', 'borderTopStyle'), 'nonenone');
	await page.getByRole('link', { name: 'wants', exact: true }).focus();
	assert.notEqual(await style('nav a[aria-current]', 'outlineStyle'), 'none');

	// nothing moves by itself
	await page.evaluate(() => {
		globalThis.moved = [];
		for (const event of ['animationstart', 'transitionrun'])
			addEventListener(event, (it) => globalThis.moved.push(it.animationName ?? it.propertyName), true);
	});
	const moved = async () => {
		await page.getByRole('button', { name: 'Join a room' }).click();
		await page.getByRole('dialog').waitFor();
		await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
		await page.keyboard.press('Escape');
		return page.evaluate(() => globalThis.moved);
	};
	assert.deepEqual(await moved(), []);
	await page.emulateMedia({ forcedColors: 'none', reducedMotion: 'no-preference' });
	assert.ok((await moved()).includes('rise')); // so the check above can fail

	// a text's own direction, in what one writes, in what comes, and in names; and the page turned round as a whole
	await textBox(page).fill('مرحبا بالجميع');
	assert.equal(await style('#text', 'direction'), 'rtl');
	await textBox(page).press('Enter');
	const bot = await client('wants', `?name=${encodeURIComponent('نورا')}`);
	put(bot, { message: 'مرحبا https://example.org/a lea!' });
	put(bot, { message: 'left to right' });
	await seen(page, 'left to right');
	assert.deepEqual(await page.locator('.message .body').evaluateAll((all) => all.map((it) => getComputedStyle(it).direction)), ['ltr', 'rtl', 'rtl', 'ltr']);
	assert.equal(await page.locator('.message .name bdi').nth(2).evaluate((it) => getComputedStyle(it).unicodeBidi), 'isolate');
	await page.evaluate(() => { document.documentElement.dir = 'rtl'; });
	const [rooms, people, log] = await Promise.all(['#rooms', '#people', '#log'].map((it) => page.locator(it).boundingBox()));
	assert.ok(people.x < log.x && log.x < rooms.x);
	for (const width of [2560, 1280, 360]) {
		await page.setViewportSize({ width, height: 700 });
		assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && document.getElementById('log').scrollWidth <= document.getElementById('log').clientWidth), `${width}`);
		const { avatar, words: said } = await message(page, 'left to right').evaluate((it) => ({
			avatar: it.querySelector('.avatar').getBoundingClientRect().x, words: it.querySelector('.body').getBoundingClientRect().x }));
		assert.ok(avatar > said || avatar === 0);
	}
});

test('axe finds nothing, by day and by night', LIMIT, async () => {
	await meetIn('axe');
	await say(ben, 'Hello @Ann, see https://example.org and `code`:\n```\nblock\n```');
	await seen(ann, 'Hello @Ann, see https://example.org and code:\nblock');
	await say(ann, 'mine');
	await stored(ann, 'mine');
	await message(ann, 'mine').hover();
	const all = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
	let only = all;
	const check = async (page, what) => {
		await page.waitForTimeout(250); // what fades in has
		const { violations } = await page.evaluate((runOnly) => window.axe.run(document, { runOnly }), only);
		assert.deepEqual(violations.map(({ id, nodes }) => [what, id, ...nodes.slice(0, 3).map((it) => it.html.slice(0, 150) + it.failureSummary)]), []);
	};
	await ann.evaluate(axe.source);
	for (const colorScheme of ['light', 'dark']) {
		only = colorScheme === 'dark' ? ['color-contrast'] : all; // nothing else is different
		await ann.emulateMedia({ colorScheme });
		await check(ann, `the room, ${colorScheme}`);
		for (const [button, heading] of [['Join a room', 'Join a room'], ['Ann Connected', 'You'], ['Change the topic', 'Topic']]) {
			await ann.getByRole('button', { name: button }).click();
			await ann.getByRole('heading', { name: heading, exact: true }).waitFor();
			await check(ann, `${heading}, ${colorScheme}`);
			await ann.keyboard.press('Escape');
		}
		await ann.locator('#people-list').getByRole('button', { name: 'ben' }).click();
		await check(ann, `ben's card, ${colorScheme}`);
		await ann.keyboard.press('Escape');
		await ann.getByRole('button', { name: 'Emoji' }).click();
		await check(ann, `emoji, ${colorScheme}`);
		await ann.keyboard.press('Escape');
	}
	only = all;
	await ann.setViewportSize({ width: 390, height: 800 });
	await ann.getByRole('button', { name: /^Rooms/ }).click();
	await check(ann, 'rooms on a phone');
	await ann.keyboard.press('Escape');
	await ann.setViewportSize({ width: 1280, height: 720 });
	await ann.emulateMedia({ colorScheme: null });
});

/* A JSON Web Token of HS256 for zoe, for so many SECONDS. */
function tokenOfZoe(key, seconds) {
	const part = (it) => Buffer.from(typeof it === 'string' ? it : JSON.stringify(it)).toString('base64url');
	const said = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'zoe', name: 'Zoe', exp: Math.floor(Date.now() / 1000) + seconds })}`;
	return `${said}.${createHmac('sha256', key).update(said).digest('base64url')}`;
}

test('a login that is about to expire is renewed', LIMIT, async (t) => {
	const key = 'a key of more than thirty-two bytes', folder = await mkdtemp(path.join(tmpdir(), 'natter-key-'));
	await writeFile(path.join(folder, 'key'), key, { mode: 0o600 });
	const daemon = await Natterd.start(`announce = name\ntoken_warning = 1h\njwt site {\n\talgorithm = HS256\n\tkey = "${folder}/key"\n}`)
		.catch((error) => /libjwt/.test(error.message) ? t.skip('built without libjwt') : Promise.reject(error));
	await rm(folder, { recursive: true });
	if (!daemon)
		return;
	open.push({ close: () => daemon.stop() });
	const page = await openWindow(browser, daemon, { token: tokenOfZoe(key, 1800), name: 'Zoe' });
	open.unshift(page.context());
	await page.locator('#banner').getByText('Your login is about to expire.').waitFor();
	await page.getByRole('button', { name: 'Log in again' }).click();
	await page.getByLabel(/^Token/).fill(tokenOfZoe(key, 86400));
	await page.getByRole('button', { name: 'Save' }).click();
	await page.locator('#banner:empty').waitFor({ state: 'attached' });
	await say(page, 'still here');
	await stored(page, 'still here');
});

test('a daemon that is killed and comes back: nothing lost, nothing twice', LIMIT, async () => {
	await meetIn('kill');
	await say(ann, 'before');
	await seen(ben, 'before');
	await stored(ann, 'before');
	await natterd.kill('SIGKILL');
	for (const page of [ann, ben])
		await page.locator('#banner').getByText('No connection. Trying again…').waitFor();
	await say(ann, 'meanwhile 1'); // sent as soon as there is a connection
	await say(ann, 'meanwhile 2');
	await message(ann, 'meanwhile 2').and(ann.locator('.sending:not(.deleted)')).waitFor();
	await natterd.run();
	await Promise.all([ann, ben].map((page) => page.getByRole('button', { name: 'Try now' }).click({ timeout: 2000 }).catch(() => {})));
	await connected(ann);
	await connected(ben);

	await stored(ann, 'meanwhile 2');
	await say(ben, 'after');
	await stored(ben, 'after');
	await seen(ann, 'after');
	await seen(ben, 'meanwhile 2');
	for (const page of [ann, ben]) {
		assert.deepEqual(await words(page), ['before', 'meanwhile 1', 'meanwhile 2', 'after']);
		assert.equal(await page.locator('#banner').textContent(), '');
	}
	assert.equal(await ben.locator('#me .name').textContent(), 'ben');
	forgetLostConnections();
});

test('what one says before the past is there stands there once', LIMIT, async () => {
	const page = await window({ name: 'lena' });
	let tell;
	const answered = new Promise((done) => { tell = done; });
	await page.routeWebSocket(/./, (route) => {
		const server = route.connectToServer();
		route.onMessage(async (text) => {
			if (JSON.parse(text).type === 'history')
				await answered; // then what was said is a part of it
			server.send(text);
		});
		server.onMessage((text) => {
			route.send(text);
			if (JSON.parse(text).seq)
				tell();
		});
	});
	await page.evaluate(() => { location.hash = 'late'; });
	await page.reload();
	await connected(page);
	await say(page, 'early');
	await page.locator('#begin').getByText(/^This is the beginning/).waitFor();
	await say(page, 'late');
	await stored(page, 'late');
	assert.deepEqual(await words(page), ['early', 'late']);
	assert.equal(await page.locator('.message.mine').count(), 2);
});

test('a login that is not valid any more: log in again, or go on as a guest', LIMIT, async () => {
	const [eve, other] = await Promise.all(['one', 'two'].map(() => window({ token: TOKENS.eve, room: 'tokens' })));
	await natterd.kill('SIGTERM');
	await natterd.configure(settings(['ann', 'bob']));
	await natterd.run();
	for (const page of [eve, other])
		await page.locator('#banner').getByText('This login is not known, or has expired.').waitFor();
	await eve.locator('#banner').getByRole('button', { name: 'Log in' }).click();
	await eve.getByLabel(/^Token/).fill('something else');
	await eve.getByRole('button', { name: 'Save' }).click();
	await eve.locator('#me-error').getByText('This login is not known').waitFor();
	await eve.getByLabel(/^Token/).fill(TOKENS.bob);
	await eve.getByRole('button', { name: 'Save' }).click();
	await eve.locator('#me .name').getByText('Bob').waitFor();
	await say(eve, 'back');
	await stored(eve, 'back');
	await other.getByRole('button', { name: 'Go on as a guest' }).click();
	await seen(other, 'back');
	await say(other, 'as a guest');
	await seen(eve, 'as a guest');
	forgetLostConnections();
});
