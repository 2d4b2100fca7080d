/*
 * log.js: shows a list of items, of which only those around what one sees are in the document.
 *
 * It stays at the end when one is there, and else where one reads, whatever comes above or below.
 */

const END = 100; // rows, when one is at the end
const ROWS = 180; // at most
const STEP = 50; // rows more when one comes near an edge
const NEAR = 900; // px
const AT_END = 40; // px

export class Log {
	pinned = true; // at the end, and is to stay there
	items = [];
	#first = 0; // of items: the row on top
	#last = 0;
	#rows = new Map(); // item: element
	#top; // items[#first], to find it again when some were put before it
	#frame = 0; // 0: nothing is to be shown
	#took = 0; // ms for the last time, until
	#ended = 0;

	/* BOX scrolls, LIST in it has the rows. draw(item, look) makes one; look(item, before) says what it depends on. */
	constructor(box, list, { draw, look, older, moved }) {
		Object.assign(this, { box, list, draw, look, older, moved });
		box.addEventListener('scroll', () => this.#scrolled(), { passive: true });
		new ResizeObserver(() => this.pinned && this.#toEnd()).observe(box);
	}

	/* Another list; VIEW: what view() gave. FROM: an item to begin at. */
	show(items, view, from) {
		this.#rows.forEach((row) => row.remove());
		this.#rows.clear();
		this.items = items;
		this.pinned = !view && !from;
		const at = items.indexOf(view?.item ?? from);
		if (at < 0)
			this.pinned = true;
		this.#first = this.pinned ? 0 : Math.max(0, at - STEP);
		this.#top = items[this.#first];
		this.sync();
		if (!this.pinned) {
			const row = this.#rows.get(items[at]);
			this.box.scrollTop += row.getBoundingClientRect().top - this.box.getBoundingClientRect().top - (view?.offset ?? 80);
			this.#scrolled();
		}
	}

	/* Where one reads: to be shown again later; undefined: at the end. */
	view() {
		if (this.pinned)
			return undefined;
		const row = this.#anchor();
		return row && { item: row.item, offset: row.getBoundingClientRect().top - this.box.getBoundingClientRect().top };
	}

	/* ITEMS (another array, or the same) have changed: soon, but three quarters of the time are for other things. */
	update(items) {
		this.items = items;
		if (this.#frame)
			return;
		const rest = this.#ended + 3 * this.#took - performance.now();
		const frame = () => { this.#frame = requestAnimationFrame(() => this.sync()); };
		if (this.#took > 10 && rest > 0)
			this.#frame = setTimeout(frame, rest);
		else
			frame();
	}

	sync() {
		const begun = performance.now();
		cancelAnimationFrame(this.#frame);
		this.#frame = 0;
		this.#window();
		this.#ended = performance.now();
		this.#took = this.#ended - begun;
	}

	#window() {
		const n = this.items.length;
		if (this.pinned) {
			this.#first = Math.max(0, n - END);
			this.#last = n;
		} else {
			const at = this.items[this.#first] === this.#top ? this.#first : this.items.indexOf(this.#top);
			this.#first = Math.max(0, Math.min(at < 0 ? this.#first : at, n - 1));
			this.#last = Math.min(n, this.#first + ROWS);
		}
		this.#show();
		if (this.box.scrollHeight <= this.box.clientHeight + NEAR)
			this.older();
	}

	toEnd() {
		this.pinned = true;
		this.sync();
		this.moved();
	}

	rowOf(item) {
		return this.#rows.get(item);
	}

	/* The row BY (1, -1) from ROW, or the last one. */
	next(row, by) {
		return row ? (by > 0 ? row.nextElementSibling : row.previousElementSibling) : this.list.lastElementChild;
	}

	/* DOES changes what is in the box, and what one reads stays where it is. */
	keep(does) {
		const anchor = this.pinned ? null : this.#anchor();
		const was = anchor?.getBoundingClientRect().top;
		does();
		const row = anchor && this.#rows.get(anchor.item);
		if (this.pinned)
			this.#toEnd();
		else if (row)
			this.box.scrollTop += row.getBoundingClientRect().top - was;
	}

	#show() {
		this.keep(() => this.#fill());
	}

	#fill() {
		const wanted = new Set(this.items.slice(this.#first, this.#last));
		this.#top = this.items[this.#first];
		for (const [item, row] of this.#rows)
			if (!wanted.has(item)) {
				row.remove();
				this.#rows.delete(item);
			}
		let next = this.list.firstElementChild, i = this.#first;
		for (const item of wanted) {
			const look = this.look(item, this.items[i++ - 1]);
			let row = this.#rows.get(item);
			if (row && row.look !== look.key) {
				const fresh = this.#make(item, look);
				if (next === row)
					next = fresh;
				const focused = row.contains(this.box.getRootNode().activeElement);
				row.replaceWith(fresh);
				row = fresh;
				if (focused)
					fresh.focus({ preventScroll: true });
			}
			row ??= this.#make(item, look);
			if (row === next)
				next = next.nextElementSibling;
			else
				this.list.insertBefore(row, next);
		}
	}

	#make(item, look) {
		const row = this.draw(item, look);
		row.item = item;
		row.look = look.key;
		this.#rows.set(item, row);
		return row;
	}

	/* The first row that one sees. */
	#anchor() {
		const top = this.box.getBoundingClientRect().top;
		for (let row = this.list.firstElementChild; row; row = row.nextElementSibling)
			if (row.getBoundingClientRect().bottom > top)
				return row;
		return null;
	}

	#toEnd() {
		this.box.scrollTop = this.box.scrollHeight;
	}

	#scrolled() {
		const { scrollTop, scrollHeight, clientHeight } = this.box;
		const below = scrollHeight - clientHeight - scrollTop, n = this.items.length;
		if (this.#frame) // what is to be shown is not yet
			this.pinned &&= below < AT_END;
		else
			this.pinned = below < AT_END && this.#last === n;
		if (scrollTop < NEAR) {
			if (this.#first > 0 && !this.pinned)
				this.#move(Math.max(0, this.#first - STEP));
			else if (this.#first === 0)
				this.older();
		} else if (below < NEAR && this.#last < n && !this.pinned) {
			this.#move(this.#first + STEP);
		}
		this.moved();
	}

	#move(first) {
		this.#first = first;
		this.#last = Math.min(this.items.length, first + ROWS);
		this.#show();
	}
}
