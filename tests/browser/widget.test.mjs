/* The widget in a page of another origin, which has a strict policy and styles that spare nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';

import axe from 'axe-core';

import { launchChromium, LIMIT, Natterd } from './natterd.mjs';
import { openWindow, say, seen, stored, troubles, watch } from './people.mjs';

let natterd, browser, site, shop;
const open = [];

before(async () => {
	site = http.createServer((request, answer) => {
		const chat = `http://127.0.0.1:${natterd.port}`;
		answer.setHeader('Content-Security-Policy', `default-src 'none'; script-src ${chat}; connect-src ws://127.0.0.1:${natterd.port}; ` +
			"style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'");
		if (request.url === '/style.css')
			return answer.setHeader('Content-Type', 'text/css').end('* { color: red !important; font-size: 40px !important; } ' +
				'button, form, p { display: none !important; } natter-chat { --natter-accent: rgb(90, 30, 120); --natter-on-accent: #fff; }');
		answer.setHeader('Content-Type', 'text/html').end('<!DOCTYPE html><html lang="en"><title>A shop</title><link rel="stylesheet" href="/style.css">' +
			`<main><h1>Shop</h1></main><script src="${chat}/widget.js" data-room="support" data-title="Help" async></script>`);
	}).listen(0, '127.0.0.1');
	await once(site, 'listening');
	shop = `http://localhost:${site.address().port}/`;
	browser = await launchChromium();
	natterd = await Natterd.start(`announce = name\norigins = {"same-host", "${shop.slice(0, -1)}"}`);
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

async function visit(options = {}) {
	const context = await browser.newContext(options);
	const page = await context.newPage();
	open.push(context);
	watch(page);
	await page.goto(shop);
	await page.getByRole('button', { name: 'Open: Help' }).waitFor();
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
	troubles.splice(0, Infinity, ...troubles.filter((it) => !/^WebSocket connection to .* 403/.test(it)));
});
