/*
 * A bad network: a TCP proxy before the daemon. What it does to connections is random, from a seed, or
 * as it is told. Between client and server it cuts, falls silent (half-open: no end is ever seen), delays,
 * passes a few bytes at a time, or takes connections and drops them.
 */
import { once } from 'node:events';
import net from 'node:net';

/* A small generator of random numbers in [0, 1), for a seed (mulberry32). */
export function random(seed) {
	return () => {
		seed = (seed + 0x6d2b79f5) | 0;
		let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

export class Proxy {
	pairs = new Set();
	refusing = false; // new connections are dropped
	deaf = false; // new connections hear nothing
	delay = () => 0; // ms, of each chunk
	piece = Infinity; // bytes of a chunk at most

	static async start(port) {
		const p = new Proxy();
		p.server = net.createServer((client) => p.#accept(client, port)).listen(0, '127.0.0.1');
		await once(p.server, 'listening');
		p.url = `ws://127.0.0.1:${p.server.address().port}/`;
		return p;
	}

	#accept(client, port) {
		if (this.refusing)
			return client.destroy();
		const pair = { client, server: net.connect(port, '127.0.0.1'), silent: this.deaf };
		this.pairs.add(pair);
		for (const [from, to] of [[client, pair.server], [pair.server, client]]) {
			let last = Promise.resolve(); // chunks stay in order
			from.setNoDelay(true);
			from.on('data', (data) => {
				for (let i = 0; i < data.length && !pair.silent; i += this.piece) {
					const part = data.subarray(i, Math.min(data.length, i + this.piece));
					const ms = this.delay();
					last = last.then(() => ms && new Promise((done) => setTimeout(done, ms)))
						.then(() => pair.silent || to.destroyed || to.write(part));
				}
			});
			from.on('end', () => last.then(() => pair.silent || to.end()));
			from.on('error', () => pair.silent || this.#cut(pair));
			from.on('close', () => last.then(() => pair.silent || this.#cut(pair)));
		}
	}

	#cut(pair) {
		pair.client.destroy();
		pair.server.destroy();
		this.pairs.delete(pair);
	}

	/* Every connection ends, with a reset where RESET. */
	cut() {
		this.pairs.forEach((pair) => this.#cut(pair));
	}

	/* Nobody hears anything any more, of an end neither; what was on its way is lost. */
	silence() {
		this.pairs.forEach((pair) => { pair.silent = true; });
	}

	/* One trouble, as chance has it; returns its name. */
	trouble(chance) {
		const kinds = ['cut', 'cut', 'silence', 'slow', 'pieces', 'refuse', 'heal'];
		const kind = kinds[Math.floor(chance() * kinds.length)];
		this.heal();
		if (kind === 'cut')
			this.cut();
		else if (kind === 'silence')
			this.silence();
		else if (kind === 'slow')
			this.delay = () => chance() * 30;
		else if (kind === 'pieces')
			this.piece = 1 + Math.floor(chance() * 60);
		else if (kind === 'refuse')
			[this.refusing] = [true, this.cut()];
		return kind;
	}

	heal() {
		this.refusing = this.deaf = false;
		this.delay = () => 0;
		this.piece = Infinity;
	}

	async stop() {
		this.cut();
		this.server.close();
		await once(this.server, 'close');
	}
}
