/*
 * node screenshot.mjs [FOLDER]   makes README's pictures, doc/chat-*.png, with a real daemon.
 * Emoji have colours in them where there is a font for that (Debian: fonts-noto-color-emoji).
 */
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

import WebSocket from 'ws';

import { Natter } from '../../src/web/natter.mjs';
import { launchChromium, Natterd } from './natterd.mjs';
import { goTo, message, openClient, openWindow, people, put, say, seen, stored, TOKENS, watch } from './people.mjs';

const folder = process.argv[2] || fileURLToPath(new URL('../../doc', import.meta.url));
const TALK = [
	['ben', 'Morning! Is the new server up?'],
	['ann', 'Since yesterday. One small daemon beside the old site,\nand the page you are looking at came with it.'],
	['ann', 'The docs are at https://natter.example/docs, and `natterd -t` checks the configuration.'],
	['ben', 'No PHP loop that eats a whole core? And what if it dies?'],
	['ben', '```\nkill -9 $(pidof natterd)\nsystemctl start natterd\n```'],
	['ann', 'Then this window connects again by itself, and nothing is lost or shown twice.'],
	['ben', 'Lovely. <b>HTML</b> stays text, I see. @Ann ☕?'],
	['mira', 'سأحضر الكعك'],
	['ann', 'Always.'],
];

/* A page of somebody's shop, with the widget in it. */
const SHOP = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Kettle &amp; Co</title><style>
	body { margin: 0; font: 17px/1.6 Georgia, "Liberation Serif", serif; color: #33281f; background: #fbf6ef; }
	header { padding: 28px 64px; border-bottom: 1px solid #e6dac9; font-size: 24px; } main { padding: 40px 64px; max-width: 33em; }
	h1 { font-weight: 400; font-size: 40px; line-height: 1.2; margin: 0 0 16px; text-wrap: balance; }
	code { display: block; margin-top: 8px; padding: 8px 10px; font-size: 13px; background: #f1e6d6; }
	natter-chat { --natter-accent: #8a3b12; }
</style><header>Kettle &amp; Co</header><main><h1>Everything for a proper cup of tea</h1>
<p>Kettles, pots, strainers, and leaves from gardens that we know by name. Ask us anything: somebody who drinks far too much of it is in the corner.</p>
<p>The chat is one line: <code>&lt;script src="https://chat.example.com/widget.js" data-room="support"&gt;</code></p></main>`;

const site = http.createServer((_, answer) => {
	answer.setHeader('Content-Type', 'text/html');
	answer.end(`${SHOP}<script src="http://127.0.0.1:${natterd.port}/widget.js" data-room="support" data-title="Ask us" data-open data-name="Nora" data-theme="light"></script>`);
}).listen(0, '127.0.0.1');
await once(site, 'listening');
const shop = `http://localhost:${site.address().port}`;
const natterd = await Natterd.start(`announce = name\norigins = {"same-host", "${shop}"}\n${people(['ann', 'bob'])}`);
const browser = await launchChromium();

const shoot = async (page, name) => {
	await page.mouse.move(0, 0);
	await page.waitForTimeout(400); // what moves has come to rest
	await page.screenshot({ path: `${folder}/chat-${name}.png` });
};

try {
	const size = { viewport: { width: 1180, height: 780 } };
	const windows = {
		ann: await openWindow(browser, natterd, { token: TOKENS.ann, colorScheme: 'light', ...size }),
		ben: await openWindow(browser, natterd, { name: 'ben', colorScheme: 'dark', viewport: { width: 1180, height: 752 } }),
		mira: await openWindow(browser, natterd, {
			name: 'mira', colorScheme: 'light', viewport: { width: 390, height: 760 }, isMobile: true, hasTouch: true, deviceScaleFactor: 1.5,
		}),
	};
	const { ann, ben, mira } = windows;
	for (const [room, topic] of [['garden', ''], ['support', 'Ask us about tea'], ['lobby', 'The new server, and tea']]) {
		await goTo(ann, room);
		if (topic) {
			await ann.getByRole('button', { name: 'Change the topic' }).click();
			await ann.getByLabel('What this room is about').fill(topic);
			await ann.keyboard.press('Enter');
			await ann.locator('#topic').getByText(topic).waitFor();
		}
	}
	for (const [name, text] of TALK) {
		await say(windows[name], text);
		for (const page of Object.values(windows))
			await page.locator('.message', { hasText: text.replace(/[`]+|^\n/g, '').trim().slice(0, 20) }).first().waitFor();
	}
	const bot = await openClient(natterd, 'garden', '?name=gardener');
	put(bot, { message: 'The beans are up!' });
	await ann.getByRole('link', { name: 'garden 1 unread' }).waitFor();
	const bob = new Natter(natterd.url, { WebSocket, token: TOKENS.bob });
	await bob.with('ann').send('Lunch at one?');
	bob.close();
	await ann.getByRole('link', { name: 'Bob 1 unread' }).waitFor();
	await ben.getByLabel('Message', { exact: true }).pressSequentially('I bring it', { delay: 400 });
	await ann.locator('#typing.on').waitFor();
	await Promise.all([shoot(ann, 'light'), shoot(mira, 'phone')]);
	await ann.getByLabel('Message', { exact: true }).pressSequentially('See you all', { delay: 400 });
	await message(ben, 'Always.').hover();
	await ben.locator('#typing.on').waitFor();
	await shoot(ben, 'dark');

	const page = await browser.newPage({ viewport: { width: 1080, height: 640 }, locale: 'en-GB', colorScheme: 'light' });
	watch(page);
	await page.goto(shop);
	await page.getByRole('dialog', { name: 'Ask us' }).waitFor();
	await page.locator('#count', { hasText: '2 here' }).waitFor();
	const ask = async (text) => {
		await page.getByLabel('Message', { exact: true }).fill(text);
		await page.keyboard.press('Enter');
	};
	await goTo(ann, 'support');
	await ask('Hello! Is the green pot back in stock?');
	await seen(ann, 'Hello! Is the green pot back in stock?');
	await say(ann, 'Good morning, Nora! From Tuesday on. Shall I keep one for you?');
	await stored(ann, 'Good morning, Nora! From Tuesday on. Shall I keep one for you?');
	await page.locator('.words', { hasText: 'Good morning' }).waitFor();
	await ask('Oh yes, please. And do you ship to Norway?');
	await seen(ann, 'Oh yes, please. And do you ship to Norway?');
	await say(ann, 'We do, in three days or so: https://kettle.example/norway');
	await page.locator('.words', { hasText: 'We do' }).waitFor();
	await ask('Wonderful, thank you! 🫖');
	await seen(ann, 'Wonderful, thank you! 🫖');
	await shoot(page, 'widget');
} finally {
	await browser.close();
	await natterd.stop();
	site.close();
}
