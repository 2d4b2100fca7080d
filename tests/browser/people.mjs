/*
 * People with browsers: windows on the chat page, what one does in them, and what one sees.
 *
 * Each window is a context of its own, so a computer of its own. What a browser complains of (an error, a
 * warning, a violation of the page's Content-Security-Policy, a failed request, a dialog) is in `troubles`.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';

import WebSocket from 'ws';

export const troubles = [];
export const TOKENS = { ann: 'token-of-ann-the-moderator', bob: 'token-of-bob-the-user', eve: 'token-of-eve-the-user', pat: 'token-of-pat-without-a-name' };

/* Lines of natterd.conf that let these in. */
export const people = (who = Object.keys(TOKENS)) => who.map((user) =>
	`token "sha256:${createHash('sha256').update(TOKENS[user]).digest('hex')}" {\n` +
	`\tuser = "${user}"\n${user === 'pat' ? '' : `\tname = "${user[0].toUpperCase()}${user.slice(1)}"\n`}` +
	`\trole = ${user === 'ann' ? 'moderator' : 'user'}\n}\n`).join('');

export function watch(page) {
	page.setDefaultTimeout(60000);
	page.on('console', (m) => ['error', 'warning'].includes(m.type()) && troubles.push(m.text()));
	page.on('pageerror', (e) => troubles.push(String(e)));
	page.on('dialog', (d) => { troubles.push(`dialog: ${d.message()}`); d.dismiss(); });
	page.on('response', (r) => r.status() >= 400 && troubles.push(`${r.status()} ${r.url()}`));
}

/* A window of somebody called NAME (null: a guest) or with TOKEN, in ROOM. */
export async function openWindow(browser, natterd, { name = null, token = null, room = 'lobby', ...options } = {}) {
	const context = await browser.newContext({ locale: 'en-GB', ...options });
	const page = await context.newPage();
	watch(page);
	await page.addInitScript(([n, t]) => {
		addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`));
		if (localStorage.getItem('natter.name') === null)
			localStorage.setItem('natter.name', JSON.stringify(n));
		if (sessionStorage.getItem('natter.token') === null)
			sessionStorage.setItem('natter.token', JSON.stringify(t));
	}, [name, token]);
	await page.goto(`${natterd.url}#${encodeURIComponent(room)}`);
	await connected(page);
	await inRoom(page);
	if (name || token)
		await page.locator('#me .name').getByText(name ?? /^[A-Z]/, { exact: true }).waitFor({ state: 'attached' });
	return page;
}

export const connected = (page) => page.locator('body[data-state=open]').waitFor();
export const inRoom = (page) => page.locator('#begin').getByText(/^(This is the beginning|What you and)|Loading/).waitFor();
export const textBox = (page) => page.getByLabel('Message', { exact: true });
export const words = (page) => page.locator('.message .words').allTextContents();
export const names = (page) => page.locator('.message .name').allTextContents();
export const message = (page, said) => page.locator('.message', { has: page.locator('.words').getByText(said, { exact: true }) });
export const seen = (page, said) => message(page, said).first().waitFor();
export const stored = (page, said) => message(page, said).and(page.locator('.stored')).first().waitFor();
export const note = (page, said) => page.locator('.note', { hasText: said }).first().waitFor();
export const tell = (page, does, argument) => page.evaluate(does, argument);

export async function goTo(page, room) {
	await page.evaluate((it) => { location.hash = it; }, encodeURIComponent(room));
	await page.locator('#room').getByText(`#${room}`, { exact: true }).waitFor();
	await inRoom(page);
	await page.locator('#count').getByText(/^[1-9]/).waitFor(); // joined
}

export async function say(page, said) {
	await textBox(page).fill(said);
	await textBox(page).press('Enter');
}

/* Another program: a tutorial's page, a bot. */
export async function openClient(natterd, room, query = '') {
	const client = new WebSocket(`${natterd.url.replace('http', 'ws')}${encodeURIComponent(room)}${query}`);
	await once(client, 'open');
	return client;
}

export const put = (client, object) => client.send(JSON.stringify(object));
