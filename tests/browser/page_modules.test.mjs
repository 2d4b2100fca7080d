/* The parts of the chat page that need no browser: talk.js, and of words.js what makes no elements. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { list, Talk } from '../../src/web/talk.js';
import { colorOf, duration, expand, hueOf, HUES, initials, inWords, isJumbo, nameKey, speaksTo } from '../../src/web/words.js';

const m = (seq, more = {}) => ({ type: 'usermsg', message: `m${seq}`, name: 'ann', seq, time: 1000 + seq, ...more });
const texts = (talk) => talk.items.map((it) => it.words ?? (it.deleted ? '-' : it.text));

function talkOf(...seqs) {
	const talk = new Talk('#x', '#x');
	talk.reset({ messages: seqs.map((seq) => m(seq)), more: seqs[0] > 1, reason: 'joined' });
	return talk;
}

test('messages stand once and in order, whatever comes twice', () => {
	const talk = talkOf(3, 4);
	assert.equal(talk.take(m(4)), null);
	assert.equal(talk.take(m(5)).seq, 5);
	talk.older({ messages: [m(1), m(2), m(3)], more: false });
	assert.deepEqual(texts(talk), ['m1', 'm2', 'm3', 'm4', 'm5']);
	assert.deepEqual([talk.lowest, talk.newest, talk.more], [1, 5, false]);
	assert.equal(talk.take({ type: 'usermsg', message: { no: 'text' }, seq: 6, time: 1 }), null);
});

test('edits and deletions, also of what is not known', () => {
	const talk = talkOf(1, 2);
	talk.change({ type: 'edit', target: 1, message: 'new' });
	talk.change({ type: 'edit', target: 2 }); // overtaken
	talk.change({ type: 'delete', target: 2 });
	talk.change({ type: 'edit', target: 2, message: 'no' });
	talk.change({ type: 'delete', target: 99 });
	assert.deepEqual(texts(talk), ['new', '-']);
	const again = new Talk('#x', '#x');
	again.reset({ messages: [m(1, { edited: 3 }), { type: 'deleted', seq: 2, time: 1, deleted: 4 }, m(3, { type: 'edit', target: 1 }),
		{ type: 'delete', target: 2, seq: 4, time: 1 }], more: false, reason: 'joined' });
	assert.deepEqual(texts(again), ['m1', '-']);
	assert.equal(again.items[0].edited, true);
});

test('what one says waits at the end, and takes its place when it comes', () => {
	const talk = talkOf(1);
	const [one, two] = ['c1', 'c2'].map((cid) => talk.wait({ text: cid, name: 'me', cid }));
	talk.take(m(2));
	assert.deepEqual(texts(talk), ['m1', 'm2', 'c1', 'c2']);
	talk.failed(two, 'no');
	talk.stored(one, { seq: 3, time: 1003 });
	talk.take(m(3, { message: 'c1', cid: 'c1' }));
	talk.note('a note');
	assert.deepEqual(texts(talk), ['m1', 'm2', 'c1', 'a note', 'c2']);
	assert.equal(talk.items[2].mine, true);
	talk.drop(two);
	assert.deepEqual(texts(talk), ['m1', 'm2', 'c1', 'a note']);
});

test('one\'s copy comes before the answer, or without its cid', () => {
	const talk = talkOf(1);
	const early = talk.wait({ text: 'early', cid: 'c1' });
	talk.take(m(2, { message: 'early' }));
	talk.stored(early, { seq: 2, time: 1002, duplicate: true });
	const late = talk.wait({ text: 'late', cid: 'c2' });
	talk.stored(late, { seq: 3, time: 1003 });
	talk.take(m(3, { message: 'late' }));
	assert.deepEqual(texts(talk), ['m1', 'early', 'late']);
	assert.deepEqual(talk.items.map((it) => Boolean(it.mine)), [false, true, true]);
});

test('a reset begins anew, but keeps what only this window knows', () => {
	const talk = talkOf(1, 2, 3);
	talk.wait({ text: 'mine', cid: 'c1' });
	talk.reset({ messages: [m(50), m(51)], more: true, reason: 'gap' });
	assert.deepEqual(texts(talk), ['m50', 'm51', 'mine']);
	talk.reset({ messages: [m(50), m(51), m(52)], more: false, reason: 'epoch' }); // the same room, in another epoch
	assert.deepEqual(texts(talk), ['m50', 'm51', 'm52', 'mine']);
	talk.reset({ messages: [m(1, { time: 9001, message: 'new' })], more: false, reason: 'epoch' }); // forgot everything
	assert.deepEqual(texts(talk).filter((it) => !it.includes('started anew')), ['m50', 'm51', 'm52', 'new', 'mine']);
	assert.equal(talk.take(m(2, { message: 'next' })).text, 'next');
	assert.equal(texts(talk).length, 7);
});

test('what is said while the past is asked for is there once, behind it', () => {
	const talk = new Talk('@ben', 'ben');
	for (const seq of [5, 6, 7])
		talk.take(m(seq));
	talk.wait({ text: 'mine', cid: 'c1' });
	talk.reset({ messages: [m(4), m(5), m(6)], more: true, reason: 'gap' });
	assert.deepEqual(texts(talk), ['m4', 'm5', 'm6', 'm7', 'mine']);
	assert.equal(talk.take(m(7)), null);
	assert.deepEqual([talk.lowest, talk.newest], [4, 7]);
});

test('the past tells what one said meanwhile: it is there once, and stays one\'s own', () => {
	const said = (talk, seq) => talk.stored(talk.wait({ text: `m${seq}`, cid: `c${seq}` }), { seq, time: 1000 + seq });
	for (const reason of ['joined', 'gap', 'epoch']) {
		const talk = reason === 'joined' ? new Talk('#x', '#x') : talkOf(1, 2);
		said(talk, 3);
		talk.reset({ messages: [m(1), m(2), m(3)], more: false, reason });
		talk.take(m(4));
		assert.deepEqual(texts(talk), ['m1', 'm2', 'm3', 'm4'], reason);
		talk.reset({ messages: [m(3), m(4)], more: true, reason: 'gap' });
		assert.deepEqual(talk.items.map((it) => it.mine), [true, false], reason);
		said(talk, 2); // long ago: the reset does not go back so far
		assert.deepEqual(texts(talk), ['m3', 'm4', 'm2']);
		talk.older({ messages: [m(1), m(2)], more: false });
		assert.deepEqual(texts(talk), ['m1', 'm2', 'm3', 'm4'], reason);
		assert.deepEqual(talk.items.map((it) => it.mine), [false, true, true, false], reason);
		said(talk, 5);
		talk.take(m(5, { time: 7, message: 'of another epoch' }));
		assert.deepEqual(texts(talk).slice(4), ['of another epoch', 'm5']);
	}
});

test('who comes and goes is told in one line', () => {
	const talk = talkOf(1);
	for (const name of ['ann', 'ben', 'carl'])
		talk.gather(name, 'came');
	talk.gather('ann', 'left');
	assert.deepEqual(texts(talk), ['m1', 'ben and carl came · ann left']);
	talk.take(m(2));
	talk.gather('dan', 'came');
	assert.deepEqual(texts(talk), ['m1', 'ben and carl came · ann left', 'm2', 'dan came']);
	assert.equal(list(['a', 'b', 'c', 'd', 'e', 'f']), 'a, b, c and 3 others');
});

test('the past in a window is bounded', () => {
	const talk = talkOf(1);
	for (let seq = 2; seq <= 20100; seq++)
		talk.take(m(seq));
	assert.equal(talk.items.length, 20000);
	assert.deepEqual([talk.lowest, talk.more], [101, true]);
});

test('short codes become emoji, but not in code', () => {
	assert.equal(expand('a :tea: `:tea:` ```\n:tea:``` :nothing: :constructor:'), 'a 🍵 `:tea:` ```\n:tea:``` :nothing: :constructor:');
	assert.deepEqual(['🍵', '👍 ❤️', 'a 🍵', '', '12'].map(isJumbo), [true, true, false, false, false]);
});

test('names: keys, initials, who is spoken to, colours', () => {
	assert.equal(nameKey('  Ann   B '), 'ann b');
	assert.deepEqual(['ann', 'Ann Bell', 'a-b_c', '😀x', '--'].map(initials), ['A', 'AB', 'AC', '😀', '?']);
	for (const name of ['ann', 'a-b', 'a+b (c)', 'x.*[y]', 'ぁ', 'a/b|c^d$']) {
		assert.ok(speaksTo(`hello @${name}!`, name), name);
		assert.ok(!speaksTo(`hello @${name}x`, name), name);
	}
	assert.ok(!speaksTo('anything', ''));
	for (const hue of HUES)
		assert.equal(hueOf('x', colorOf(hue)), hue);
	for (const odd of ['#808080', 'red', '#12', 7, null, undefined, 'url(//x)', '#12345g'])
		assert.equal(hueOf('ann', odd), hueOf('Ann'));
});

test('errors and durations in words', () => {
	assert.equal(inWords({ code: 'muted', message: 'x', retryAfter: 300 }), 'You are muted in this room. Try again in 5 minutes.');
	assert.equal(inWords({ code: 'new_code', message: 'what the server says' }), 'what the server says');
	assert.equal(inWords({ code: 'constructor', message: 'odd' }), 'odd');
	assert.deepEqual([0.4, 1, 59, 60, 3599.9, 86400, 1e9].map(duration),
		['1 second', '1 second', '59 seconds', '1 minute', '1 hour', '1 day', '32 years']);
});
