import { mkdir, mkdtemp, readlink, realpath, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  chooseStateDirectory,
  needsShortName,
  openSocketRoot,
  openStateDirectory,
  removeSocketRoot,
} from './state-directory.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-state-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('--state comes before WORKTRAIL_HOME, and that before .worktrail in the clone', () => {
  expect(chooseStateDirectory('/flag', { WORKTRAIL_HOME: '/home' }, '/clone')).toBe('/flag');
  expect(chooseStateDirectory(undefined, { WORKTRAIL_HOME: '/home' }, '/clone')).toBe('/home');
  expect(chooseStateDirectory(undefined, {}, '/clone')).toBe('/clone/.worktrail');
});

test('secrets are in a directory that only the owner enters, and links to one directory give one name', async () => {
  await symlink(directory, `${directory}-link`);
  const byLink = await openStateDirectory(`${directory}-link/state`, undefined);
  expect(byLink).toEqual(await openStateDirectory(`${directory}/state`, undefined));
  expect((await stat(byLink.secrets)).mode & 0o777).toBe(0o700);
  await rm(`${directory}-link`);
});

test('a deep directory gets a short name for sockets, which goes with removeSocketRoot', async () => {
  const deep = join(await realpath(directory), 'd'.repeat(80));
  await mkdir(deep);
  const env = { XDG_RUNTIME_DIR: directory };
  const short = await openSocketRoot(deep, env);
  expect(needsShortName(deep)).toBe(true);
  expect(needsShortName(short)).toBe(false);
  expect(await readlink(short)).toBe(deep);
  expect(await openSocketRoot(deep, env)).toBe(short);
  await removeSocketRoot(deep, env);
  await expect(readlink(short)).rejects.toThrow('ENOENT');
});

test('a short name that leads somewhere else is refused', async () => {
  const deep = join(await realpath(directory), 'd'.repeat(80));
  await mkdir(deep);
  const env = { XDG_RUNTIME_DIR: directory };
  const short = await openSocketRoot(deep, env);
  await rm(short);
  await symlink('/somewhere/else', short);
  await expect(openSocketRoot(deep, env)).rejects.toThrow('choose a shorter state directory');
});
