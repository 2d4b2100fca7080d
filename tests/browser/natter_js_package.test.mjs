/* natter.js as npm has it: its package, its types, and its README's examples, each on a real daemon. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test as tested } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import WebSocket from 'ws';

import { Natter } from '../../src/web/natter.mjs';
import { LIMIT, Natterd } from './natterd.mjs';

const run = promisify(execFile);
const here = path.dirname(fileURLToPath(import.meta.url));
const web = path.join(here, '../../src/web');
const FILES = ['README.md', 'natter.d.ts', 'natter.js', 'natter.mjs', 'package.json'];

const test = (name, ...does) => tested(name, does.length > 1 ? { ...LIMIT, ...does[0] } : LIMIT, does.at(-1));

const token = (user, name, role) => `token "sha256:${createHash('sha256').update(`${user}-token`).digest('hex')}" {`
	+ ` user = ${user} name = ${name} role = ${role} }\n`;

/* A folder with the package installed in it. */
async function installed(t) {
	const dir = await mkdtemp(path.join(tmpdir(), 'natter-npm-'));
	t.after(() => rm(dir, { recursive: true }));
	await mkdir(path.join(dir, 'node_modules/natter'), { recursive: true });
	for (const file of FILES)
		await cp(path.join(web, file), path.join(dir, 'node_modules/natter', file));
	await symlink(path.join(here, 'node_modules/ws'), path.join(dir, 'node_modules/ws'));
	return dir;
}

test('the package', async (t) => {
	const dir = await installed(t);
	const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--offline', '--loglevel=error'],
		{ cwd: path.join(dir, 'node_modules/natter') });
	const [it] = JSON.parse(stdout);
	assert.deepEqual(it.files.map((f) => f.path).sort(), FILES.toSorted?.() ?? FILES);
	assert.equal(it.name, 'natter');
});

const typed = { skip: !existsSync(path.join(here, 'node_modules/typescript')) && 'typescript is missing' };

async function compile(dir) {
	await run(process.execPath, [path.join(here, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--target', 'es2022',
		'--module', 'nodenext', '--lib', 'es2022,dom,dom.iterable', '--noUnusedLocals', '--skipDefaultLibCheck', 'page.mts'], { cwd: dir })
		.catch((error) => assert.fail(error.stdout || error.message));
}

test('the types', typed, async (t) => {
	const dir = await installed(t);
	await cp(path.join(here, 'natter_js_types.ts'), path.join(dir, 'page.mts'));
	await compile(dir);
});

/* What IT has for everybody. */
function membersOf(it) {
	const names = new Set();
	for (; it !== Object.prototype; it = Object.getPrototypeOf(it))
		Object.getOwnPropertyNames(it).forEach((name) => /^(_|constructor$)/.test(name) || names.add(name));
	return [...names];
}

test('natter.js gives what natter.d.ts says, and nothing else', typed, async (t) => {
	const natterd = await Natterd.start(`announce = name\n${token('ann', 'Ann', 'moderator')}${token('bob', 'Bob', 'user')}
endpoint "/*" { }
endpoint "/news" { anonymous = read-only }`);
	t.after(() => natterd.stop());
	const given = []; // lines of TypeScript
	const give = (type, value) => {
		if (value instanceof Error || (value?.error && (value = { ...value, error: undefined })))
			return value;
		given.push(`export const v${given.length}: ${type} = ${JSON.stringify(value)};`);
		return value;
	};
	const heard = new Set();
	const listen = (it, types, name) => types.forEach((type) => it.on(type, (value) => {
		heard.add(type);
		if (!(value instanceof Error))
			give(`${name}['${type}']`, value);
	}));
	const until = async (type) => {
		for (const end = Date.now() + 10000; !heard.has(type);)
			await new Promise((done) => setTimeout(done, 10, assert.ok(Date.now() < end, `no ${type}`)));
	};
	const open = (options, at = '') => {
		const chat = new Natter(natterd.url + at, { WebSocket, minDelay: 10, maxDelay: 20, ...options });
		t.after(() => chat.close());
		listen(chat, ['state', 'close', 'error', 'renamed', 'direct', 'token_expiring'], 'NatterEvents');
		return chat;
	};
	const place = ['reset', 'message', 'edit', 'delete'];
	const enter = (chat, name) => {
		const room = chat.join(name);
		listen(room, [...place, 'joined', 'presence', 'topic', 'muted', 'kicked', 'left', 'relay', 'typing'], '(RoomEvents & PlaceEvents)');
		return room.ready;
	};

	const eve = open({ name: 'Ann' });
	await eve.connect();
	const ann = open({ token: 'ann-token' }), bob = open({ token: 'bob-token' });
	await Promise.all([ann.connect(), bob.connect(), until('renamed')]);
	await eve.rename('eve');
	const [theirs, room, bobs] = await Promise.all([eve, ann, bob].map((chat) => enter(chat, 'lobby')));
	const reader = open({}, 'news').join('news');
	assert.equal(give("RoomEvents['joined']", await reader.once('joined')).read_only, true);
	const { seq } = give('Stored', await theirs.send({ message: 'hi', color: '#123456' }, { cid: 'mine' }));
	give('Stored', await theirs.send({ message: 'hi', color: '#123456' }, { cid: 'mine' }));
	give('Stored', await theirs.edit(seq, 'ho'));
	give('Stored', await theirs.delete(seq));
	give('Page', await theirs.history({ limit: 5 }));
	give('Members', await room.who());
	give('Awaited<ReturnType<Natter["rooms"]>>', await ann.rooms());
	give('number', await room.read(seq));
	theirs.typing();
	theirs.relay('wave', { at: 'ann' });
	await eve.rename('Eve');
	give('object', await room.setTopic('tea'));
	await room.mute('bob', 5, { reason: 'enough' });
	await room.mute('bob', 0);
	await room.kick('bob', { reason: 'enough' });
	await room.ban('eve', 5);
	give('Partial<Stored>', await ann.direct({ user: 'bob' }, 'psst'));
	give('Partial<Stored>', await ann.direct('eve', 'psst'));
	const talk = bob.with('ann', { history: 5 });
	listen(talk, place, 'PlaceEvents');
	await talk.send('yes?');
	await talk.read(1);
	give('Awaited<ReturnType<Natter["conversations"]>>', await bob.conversations());
	give('Page', await talk.history());
	for (const [type, it] of [['Natter', bob], ['Room', room], ['Room', theirs], ['Conversation', talk]])
		give(`Record<keyof ${type}, true>`, Object.fromEntries(membersOf(it).map((name) => [name, true])));
	give('Natter["limits"]', bob.limits);
	for (const it of ['state', 'name', 'user', 'role', 'version', 'room', 'anonymous', 'resumed'])
		[eve, bob].forEach((chat) => give(`Natter['${it}']`, chat[it]));
	for (const it of ['state', 'name', 'seq', 'epoch', 'readSeq', 'members', 'guests', 'topic', 'role'])
		[theirs, room].forEach((its) => its[it] === undefined || give(`Room['${it}']`, its[it]));
	await natterd.kill();
	await until('close');
	await natterd.run();
	await ann.connect();
	for (const type of [...place, 'joined', 'presence', 'topic', 'muted', 'kicked', 'left', 'relay', 'typing', 'state', 'close', 'renamed', 'direct'])
		await until(type);

	const dir = await installed(t);
	await writeFile(path.join(dir, 'page.mts'), 'import { Natter } from \'natter\';\nimport type { Conversation, Members, NatterEvents, ' +
		`Page, PlaceEvents, Room, RoomEvents, Stored } from 'natter';\nexport type Used = Conversation | Members | Room;\n${given.join('\n')}\n`);
	await compile(dir);
	t.diagnostic(`${given.length} values`);
});

test("README's examples", async (t) => {
	const natterd = await Natterd.start(`announce = name\n${token('ann', 'Ann', 'moderator')}${token('bob', 'Bob', 'user')}`);
	t.after(() => natterd.stop());
	const dir = await installed(t);
	const blocks = [...(await readFile(path.join(web, 'README.md'), 'utf8')).matchAll(/^```js\n(.*?)^```/gms)].map((m) => m[1]);
	assert.ok(blocks.length >= 5);
	for (const [i, block] of blocks.entries()) {
		const code = block.replaceAll('wss://chat.example.com', natterd.url);
		assert.notEqual(code, block);
		await writeFile(path.join(dir, `${i}.mjs`), `import WebSocketForTest from 'ws';
globalThis.WebSocket = WebSocketForTest;
${code}
process.exit(0);
`);
		const { stdout, stderr } = await run(process.execPath, [`${i}.mjs`], { cwd: dir, timeout: 20000 })
			.catch((error) => assert.fail(`${block}\n${error.stdout}${error.stderr}`));
		t.diagnostic(`${i}: ${stdout.trim().replaceAll('\n', ' | ')}`);
		assert.equal(stderr, '');
		await natterd.kill(); // names are free for the next
		await natterd.run();
	}
});
