/* natter.js as npm has it: its package, its types, and its README's examples, each on a real daemon. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Natterd } from './natterd.mjs';

const run = promisify(execFile);
const here = path.dirname(fileURLToPath(import.meta.url));
const web = path.join(here, '../../src/web');
const FILES = ['README.md', 'natter.d.ts', 'natter.js', 'natter.mjs', 'package.json'];

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

test('the types', { skip: !existsSync(path.join(here, 'node_modules/typescript')) && 'typescript is missing' }, async (t) => {
	const dir = await installed(t);
	await cp(path.join(here, 'natter_js_types.ts'), path.join(dir, 'page.mts'));
	await run(process.execPath, [path.join(here, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--target', 'es2022',
		'--module', 'nodenext', '--lib', 'es2022,dom,dom.iterable', '--noUnusedLocals', '--skipDefaultLibCheck', 'page.mts'], { cwd: dir })
		.catch((error) => assert.fail(error.stdout));
});

test("README's examples", async (t) => {
	const token = (user, name, role) => `token "sha256:${createHash('sha256').update(`${user}-token`).digest('hex')}" {`
		+ ` user = ${user} name = ${name} role = ${role} }\n`;
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
