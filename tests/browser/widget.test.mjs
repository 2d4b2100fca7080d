/* The widget in a page of another origin, which has a strict policy and styles that spare nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';

import axe from 'axe-core';

import { launchChromium, LIMIT, Natterd } from './natterd.mjs';
import { openClient, openWindow, people, put, say, seen, stored, TOKENS, troubles, watch } from './people.mjs';

let natterd, browser, site, shop;
const tokenCookies = []; // of those who asked the shop for a token
const open = [];

before(async () => {
	site = http.createServer((request, answer) => {
		const chat = `http://127.0.0.1:${natterd.port}`, { pathname, searchParams } = new URL(request.url, shop);
		answer.setHeader('Content-Security-Policy', `default-src 'none'; script-src ${chat}; connect-src 'self' ws://127.0.0.1:${natterd.port}; ` +
			"style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'");
		if (request.url === '/style.css')
			return answer.setHeader('Content-Type', 'text/css').end('* { color: red !important; font-size: 40px !important; } ' +
				'button, form, p { display: none !important; } natter-chat { --natter-accent: rgb(90, 30, 120); --natter-on-accent: #fff; }');
		if (pathname === '/token') {
			tokenCookies.push(request.headers.cookie);
			return answer.writeHead(tokenCookies.length === 1 ? 503 : 200).end(`${TOKENS.bob}\n`);
		}
		const attributes = searchParams.get('attributes') ?? 'data-room="support" data-title="Help"';
		answer.setHeader('Content-Type', 'text/html').end(`<!DOCTYPE html><html lang="en" dir="${searchParams.get('dir') ?? 'ltr'}"><title>A shop</title><link rel="stylesheet" href="/style.css">` +
			`<main><h1>Shop</h1></main><script src="${chat}/widget.js" ${attributes} async></script>`);
	}).listen(0, '127.0.0.1');
	await once(site, 'listening');
	shop = `http://localhost:${site.address().port}/`;
	browser = await launchChromium();
	natterd = await Natterd.start(`announce = name\norigins = {"same-host", "${shop.slice(0, -1)}"}\n${people(['bob'])}`);
}, LIMIT);

after(async () => {
	await browser?.close();
	await natterd?.stop();
	site?.close();
}, LIMIT);

afterEach(async () => {
	for (const it of open.splice(0))
		await it.close();
	assert.deepEqual(troubles.splice(0), []);
});

async function visit(options = {}, query = {}, cookies = []) {
	const context = await browser.newContext(options);
	await context.addCookies(cookies);
	const page = await context.newPage();
	open.push(context);
	watch(page);
	await page.goto(`${shop}?${new URLSearchParams(query)}`);
	await page.locator('natter-chat #launch').waitFor();
	return page;
}

const bubbles = (page) => page.locator('natter-chat .words').allTextContents();

test('it opens by a click, chats with the page, and closes by Escape', LIMIT, async () => {
	const [page, ann] = await Promise.all([visit(), openWindow(browser, natterd, { name: 'ann', room: 'support' })]);
	open.push(ann.context());
	assert.equal(await page.locator('natter-chat').evaluate((it) => it.chat), undefined); // nobody has asked for it yet
	await page.keyboard.press('Tab');
	await page.keyboard.press('Enter');
	await page.getByRole('dialog', { name: 'Help' }).waitFor();
	await page.getByLabel('Your name').fill('Ann');
	await page.getByLabel('Your name').press('Enter');
	await page.getByRole('alert').getByText('Somebody else has this name.').waitFor();
	await page.getByLabel('Your name').fill('customer');
	await page.getByLabel('Your name').press('Enter');
	await page.getByLabel('Your name').waitFor({ state: 'hidden' });

	const evil = '<img src=x onerror=alert(1)>';
	await page.getByLabel('Message', { exact: true }).fill(`Help! ${evil} \`code\``);
	await page.keyboard.press('Enter');
	await seen(ann, `Help! ${evil} code`);
	await say(ann, 'On my way: https://example.org');
	await page.locator('natter-chat .words a').waitFor();
	assert.deepEqual(await bubbles(page), [`Help! ${evil} code`, 'On my way: https://example.org']);
	assert.equal(await page.locator('natter-chat .mine.stored').count(), 1);
	assert.equal(await page.locator('natter-chat img').count(), 0);

	await page.keyboard.press('Escape');
	await page.getByRole('dialog', { name: 'Help' }).waitFor({ state: 'hidden' });
	assert.equal(await page.evaluate(() => document.activeElement.localName), 'natter-chat');
	await say(ann, 'Are you there?');
	await page.getByRole('button', { name: 'Open: Help, 1 unread' }).click();
	await page.getByText('Are you there?', { exact: true }).waitFor();

	await page.reload(); // open as it was, and the same person
	await page.getByText('Are you there?', { exact: true }).waitFor();
	await page.getByRole('button', { name: 'Close: Help' }).waitFor();
	await page.getByLabel('Message', { exact: true }).fill('Yes.');
	await page.keyboard.press('Enter');
	await seen(ann, 'Yes.');
	assert.equal(await ann.locator('.message .name').last().textContent(), 'customer');
	await stored(ann, 'Are you there?');
});

test('styles of the page do not reach it, custom properties do', LIMIT, async () => {
	const page = await visit();
	const launch = page.getByRole('button', { name: 'Open: Help' });
	const style = (it, what) => it.evaluate((e, key) => getComputedStyle(e)[key], what);
	assert.equal(await style(launch, 'backgroundColor'), 'rgb(90, 30, 120)');
	await launch.click();
	const heading = page.getByRole('heading', { name: 'Help' });
	assert.equal(await style(heading, 'fontSize'), '16px');
	assert.notEqual(await style(heading, 'color'), 'rgb(255, 0, 0)');
	assert.equal(await style(page.getByRole('heading', { name: 'Shop' }), 'color'), 'rgb(255, 0, 0)');
	assert.deepEqual(await page.evaluate(() => document.adoptedStyleSheets.length), 0);
});

test('each attribute does what the manual says', LIMIT, async () => {
	// none at all: the lobby, called Chat, closed
	const plain = await visit({}, { attributes: '' });
	await plain.getByRole('button', { name: 'Open: Chat' }).click();
	await plain.getByLabel('Your name').waitFor();
	assert.deepEqual(await plain.locator('natter-chat').evaluate((it) => [it.room.name, it.chat.name, it.chat.user]), ['lobby', null, null]);

	const ann = await openWindow(browser, natterd, { name: 'anna', room: 'tea & cake' });
	open.push(ann.context());
	const named = await visit({ colorScheme: 'dark' }, { attributes:
		'data-room="tea &amp; cake" data-title="Ask &lt;us&gt;" data-name="nora" data-open data-side="start" data-theme="light"' });
	await named.getByRole('dialog', { name: 'Ask <us>' }).waitFor(); // open without a click
	await named.getByText('2 here').waitFor();
	assert.equal(await named.evaluate(() => document.activeElement.localName), 'body'); // and does not take the focus
	await named.getByLabel('Message', { exact: true }).fill('hi');
	await named.keyboard.press('Enter');
	await seen(ann, 'hi');
	assert.equal(await ann.locator('.message .name').textContent(), 'nora');
	const paper = (page) => page.getByRole('dialog').evaluate((it) => getComputedStyle(it).backgroundColor);
	assert.equal(await paper(named), 'rgb(255, 254, 251)');
	const middle = async (page) => {
		const { x, width } = await page.locator('natter-chat #launch').boundingBox();
		return x + width / 2 < page.viewportSize().width / 2 ? 'left' : 'right';
	};
	assert.deepEqual([await middle(named), await middle(plain)], ['left', 'right']);

	// the other side in pages that are written from right to left, and dark where one wants it
	const dark = await visit({ colorScheme: 'light' }, { attributes: `data-theme="dark" data-open data-token="${TOKENS.bob}"`, dir: 'rtl' });
	await dark.getByText(/^\d here$/).waitFor();
	assert.equal(await paper(dark), 'rgb(26, 35, 32)');
	assert.equal(await middle(dark), 'left');
	assert.deepEqual(await dark.locator('natter-chat').evaluate((it) => [it.chat.name, it.chat.user]), ['Bob', 'bob']);
	assert.equal(await dark.getByLabel('Your name').isVisible(), false);
});

test('a token from the page\'s own site, which fails once', LIMIT, async () => {
	const page = await visit({}, { attributes: 'data-open data-token-url="/token"' }, [{ name: 'login', value: 'bob', url: shop }]);
	await page.getByText(/^\d here$/).waitFor(); // it has tried again
	assert.deepEqual(await page.locator('natter-chat').evaluate((it) => it.chat.user), 'bob');
	assert.deepEqual(tokenCookies, ['login=bob', 'login=bob']);
	assert.ok(troubles.splice(0).every((it) => /503/.test(it)));
	await page.locator('natter-chat').evaluate((it) => it.close()); // for the page's own buttons
	await page.getByRole('dialog').waitFor({ state: 'hidden' });
	await page.locator('natter-chat').evaluate((it) => it.open());
	await page.getByRole('dialog').waitFor();
});

test('what any guest can write is believed no more than in the page', LIMIT, async () => {
	const page = await visit({}, { attributes: 'data-room="forged" data-open data-name="mia"' });
	await page.getByText('1 here').waitFor();
	const bot = await openClient(natterd, 'forged', '?name=bot');
	open.push(bot);
	const forged = { reason: 'gap', messages: [], seq: 1, target: 1, epoch: 'zz', between: ['mia', 'bot'], user: 'mia', cid: 'x', mine: true,
		state: 'failed', members: 999, kind: 'note', words: 'forged' };
	for (const type of ['reset', 'left', 'state', 'typing', 'note']) {
		put(bot, { ...forged, type });
		put(bot, { ...forged, type, message: `<b>${type}</b>` });
	}
	put(bot, { message: 'end' });
	await page.locator('natter-chat .words', { hasText: /^end$/ }).waitFor();
	assert.deepEqual(await bubbles(page), ['<b>reset</b>', '<b>left</b>', '<b>state</b>', '<b>typing</b>', '<b>note</b>', 'end']);
	assert.equal(await page.locator('natter-chat :is(.mine, .failed, .deleted, .note, b)').count(), 0);
	assert.equal(await page.locator('natter-chat #count').textContent(), '2 here');
	assert.equal(await page.locator('natter-chat #state').textContent(), '');
});

test('its custom properties', LIMIT, async () => {
	const page = await visit({ colorScheme: 'dark' }, { attributes: 'data-open data-title="Help"' });
	const set = { paper: 'rgb(1, 2, 3)', ink: 'rgb(250, 240, 230)', soft: 'rgb(200, 190, 180)', line: 'rgb(9, 8, 7)', theirs: 'rgb(2, 4, 6)', error: 'rgb(255, 1, 1)', bottom: '33px', side: '44px', z: '77',
		width: '300px', height: '400px', radius: '5px', font: '13px monospace', accent: 'rgb(1, 99, 1)', 'on-accent': 'rgb(254, 253, 252)' };
	await page.evaluate((all) => {
		const sheet = new CSSStyleSheet();
		sheet.replaceSync(`natter-chat { ${Object.entries(all).map(([key, value]) => `--natter-${key}: ${value};`).join(' ')} }`);
		document.adoptedStyleSheets = [sheet];
	}, set);
	const style = (selector, ...what) => page.locator(`natter-chat ${selector}`).first().evaluate((e, keys) => keys.map((key) => getComputedStyle(e)[key]), what);
	assert.deepEqual(await style('#box', 'backgroundColor', 'color', 'borderTopColor', 'width', 'height', 'borderTopLeftRadius'),
		[set.paper, set.ink, set.line, set.width, set.height, set.radius]);
	assert.deepEqual(await style('#frame', 'bottom', 'right', 'zIndex', 'fontSize', 'fontFamily'), ['33px', '44px', '77', '13px', 'monospace']);
	assert.deepEqual(await style('#launch', 'backgroundColor', 'color'), [set.accent, set['on-accent']]);
	assert.deepEqual(await style('#count', 'color'), [set.soft]);
	assert.deepEqual(await style('#state', 'color'), [set.error]);
	const bot = await openClient(natterd, 'lobby', '?name=bot3');
	open.push(bot);
	put(bot, { message: 'theirs' });
	await page.locator('natter-chat .bubble', { hasText: 'theirs' }).waitFor();
	assert.deepEqual(await style('.bubble', 'backgroundColor'), [set.theirs]);
});

test('axe finds nothing; it fits on a phone', LIMIT, async () => {
	for (const colorScheme of ['light', 'dark']) {
		const page = await visit({ colorScheme, viewport: { width: 360, height: 640 }, bypassCSP: true });
		await page.evaluate(axe.source);
		await page.getByRole('button', { name: 'Open: Help' }).click();
		await page.getByLabel('Your name').waitFor();
		await page.locator('natter-chat .message').first().waitFor();
		await page.waitForTimeout(250);
		const { violations } = await page.evaluate(() => window.axe.run('natter-chat'));
		assert.deepEqual(violations.map(({ id, nodes }) => [id, ...nodes.map((it) => it.html + it.failureSummary)]), []);
		const box = await page.getByRole('dialog', { name: 'Help' }).boundingBox();
		assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= 360 && box.y + box.height <= 640);
	}
});

test('an origin that may not gets no connection, and is told', LIMIT, async () => {
	const page = await visit();
	await page.goto(shop.replace('localhost', 'shop.localhost'));
	await page.getByRole('button', { name: 'Open: Help' }).click();
	await page.getByRole('status').getByText('No connection.').waitFor();
	await page.close(); // it would try again, and Chromium say so again
	troubles.splice(0, Infinity, ...troubles.filter((it) => !/^WebSocket connection to .* 403/.test(it)));
});
