/*
 * node screenshot.mjs [FILE]   makes README's picture, doc/chat-page.png, with a real daemon.
 */
import { fileURLToPath } from 'node:url';

import { launchChromium, Natterd } from './natterd.mjs';

const file = process.argv[2] || fileURLToPath(new URL('../../doc/chat-page.png', import.meta.url));
const talk = [
	['ben', 'Morning! Is the new server up?'],
	['ann', 'Since yesterday. One small daemon beside the old site,\nand the page you are looking at came with it.'],
	['ben', 'No PHP loop that eats a whole core? And what if it restarts?'],
	['ann', 'Then this window connects again by itself, and nothing is shown twice.'],
	['ben', 'Lovely. <b>HTML</b> stays text, I see.'],
	['ann', 'Always. Tea?'],
];

const natterd = await Natterd.start('announce = name');
const browser = await launchChromium();
try {
	const windows = {};
	for (const name of ['ann', 'ben']) {
		const context = await browser.newContext({
			viewport: { width: 1200, height: 760 }, colorScheme: 'light', locale: 'en-GB',
		});
		const page = windows[name] = await context.newPage();
		await page.addInitScript((it) => localStorage.setItem('natter.name', it), name);
		await page.goto(`${natterd.url}#lobby`);
		await page.locator('#log .note', { hasText: `${name} connected` }).waitFor();
	}
	for (const [name, message] of talk) {
		const box = windows[name].getByLabel('Message', { exact: true });
		await box.fill(message);
		await box.press('Enter');
		for (const page of Object.values(windows))
			await page.locator('.message').nth(talk.findIndex(([, it]) => it === message)).waitFor();
	}
	await windows.ann.waitForTimeout(300); // the last one has slid in
	await windows.ann.screenshot({ path: file });
} finally {
	await browser.close();
	await natterd.stop();
}
