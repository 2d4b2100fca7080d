/*
 * A natterd on a free loopback port, and a Chromium to look at it.
 *
 * NATTERD names the binary (else the one in the source tree), CHROMIUM the browser.
 * Whatever is started here is ended here, each process by its own handle.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const binary = path.resolve(process.env.NATTERD || path.join(here, '../../natterd'));

/* Its files are those of who runs the tests, root as well. */
const user = process.getuid?.() === 0 ? ['-u', 'root'] : [];

/* A test that takes this long is stuck; the slowest takes a quarter of it with a sanitizer and two more suites beside it. */
export const LIMIT = { timeout: 180000 };

/* One that the system does not give to others who ask for any, before the daemon has it (or has it again). */
async function freePort() {
	for (;;) {
		const server = net.createServer().listen(10000 + Math.floor(Math.random() * 20000), '127.0.0.1');
		const port = await once(server, 'listening').then(() => server.address().port, () => 0);
		server.close();
		if (port)
			return port;
	}
}

export class Natterd {
	/* OPTIONS: lines of natterd.conf, or a function that makes them, given a directory of one's own */
	static async start(options = 'announce = name') {
		const d = new Natterd();
		d.port = await freePort();
		d.dir = await mkdtemp(path.join(tmpdir(), 'natter-browser-'));
		d.conf = path.join(d.dir, 'natterd.conf');
		d.log = '';
		await d.configure(options);
		await d.run();
		return d;
	}

	async configure(options) {
		await writeFile(this.conf, `${typeof options === 'function' ? options(this.dir) : options}\n` +
			`listener test {\n\taddress = {"127.0.0.1"}\n\tport = ${this.port}\n}\n`);
	}

	get url() {
		return `http://127.0.0.1:${this.port}/`;
	}

	/* Starts the daemon, and returns when it answers. */
	async run() {
		this.child = spawn(binary, [...user, '-c', this.conf], { stdio: ['ignore', 'ignore', 'pipe'] });
		started.add(this.child);
		this.child.stderr.on('data', (data) => { this.log += data; });
		this.ended = once(this.child, 'exit').catch((error) => { this.log += error; });
		for (let tries = 0; tries < 1200; tries++) {
			if (this.child.exitCode !== null)
				break;
			const answer = await fetch(this.url).catch(() => null);
			if (answer?.ok)
				return;
			await sleep(25);
		}
		throw new Error(`${binary} does not serve ${this.url}:\n${this.log}`);
	}

	async kill(signal = 'SIGKILL') {
		this.child.kill(signal);
		await this.ended;
	}

	async stop() {
		const late = setTimeout(() => this.child.kill('SIGKILL'), 5000);
		await this.kill('SIGTERM');
		clearTimeout(late);
		await rm(this.dir, { recursive: true, force: true });
	}
}

/* Playwright gives it a fresh user-data-dir and removes it at close(). */
export async function launchChromium() {
	const { chromium } = await import('playwright-core');
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
		args: ['--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync'],
	});
	/* What a browser leaves behind may keep node for good: when it is gone, nobody waits for that for long. */
	browser.on('disconnected', () => setTimeout(() => process.exit(), 10000).unref());
	return browser;
}

/* However a file of tests hangs, this ends it, and what it started. */
const started = new Set();
setTimeout(() => {
	console.error('stuck for fifteen minutes');
	started.forEach((child) => child.kill('SIGKILL'));
	process.exit(1);
}, 900000).unref();
