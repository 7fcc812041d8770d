// The script that changes a file, run here on a directory of its own.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { escapedBytes } from './escaped-bytes.ts';

const script = readFileSync(new URL('change-file.sh', import.meta.url), 'utf8');
let root: string;
let tree: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'worktrail-change-'));
  tree = join(root, 'tree');
  mkdirSync(tree);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const blobOf = (text: string) =>
  createHash('sha1')
    .update(`blob ${Buffer.byteLength(text)}\0${text}`)
    .digest('hex');
const at = (path: string) => join(tree, path);
const read = (path: string) => readFileSync(at(path), 'utf8');

interface Change {
  content?: string;
  expected?: string;
  executable?: 'yes' | 'no';
  again?: boolean;
}

/** What it printed, or the number that it ended with. */
function change(path: string, { content, expected = '', executable, again = false }: Change = {}): string | number {
  if (content !== undefined) writeFileSync(join(root, 'given'), content);
  const env = {
    ...{
      PATH: process.env['PATH'],
      WT_TREE: tree,
      WT_HASH: 'sha1',
      WT_ID: 'evt_x',
      WT_PATH: escapedBytes(Buffer.from(path)),
    },
    WT_CONTENT: content === undefined ? '' : join(root, 'given'),
    ...{ WT_CONTENT_ID: content === undefined ? '' : blobOf(content), WT_EXECUTABLE: executable ?? '' },
    ...{ WT_EXPECTED: expected, WT_AGAIN: again ? '1' : '' },
  };
  const { status, stdout } = spawnSync('sh', ['-c', script], { cwd: root, env, encoding: 'utf8' });
  return status === 0 ? stdout : status!;
}

test('a file is made with the directories on its way, written over, and deleted', () => {
  expect(change('a b/é/-x', { content: 'one\ntwo\n' })).toBe(`changed added - ${blobOf('one\ntwo\n')} 2 0\n`);
  expect(read('a b/é/-x')).toBe('one\ntwo\n');
  expect(change('a b/é/-x', { content: 'one\nthree\nfour\n' })).toBe(
    `changed modified ${blobOf('one\ntwo\n')} ${blobOf('one\nthree\nfour\n')} 2 1\n`,
  );
  expect(change('a b/é/-x', { content: 'one\nthree\nfour\n' })).toMatch(/^changed unchanged /);
  expect(change('a b/é/-x')).toBe(`changed deleted ${blobOf('one\nthree\nfour\n')} - 0 3\n`);
  expect(readdirSync(at('a b/é'))).toEqual([]);
  expect(change('a b/é/-x')).toBe(10);
  expect(change('nothing/x')).toBe(10);
  expect(change('empty', { content: '' })).toBe(`changed added - ${blobOf('')} 0 0\n`);
  expect(change('data', { content: 'a\0b' })).toBe(`changed added - ${blobOf('a\0b')} - -\n`);
});

test('its mode stays as it was, unless it is said', () => {
  change('run', { content: '#!/bin/sh\n', executable: 'yes' });
  expect(statSync(at('run')).mode & 0o777).toBe(0o755);
  change('run', { content: 'other' });
  expect(statSync(at('run')).mode & 0o777).toBe(0o755);
  expect(change('run', { content: 'other', executable: 'no' })).toMatch(/^changed mode_changed /);
  expect(statSync(at('run')).mode & 0o777).toBe(0o644);
  chmodSync(at('run'), 0o600);
  change('run', { content: 'private' });
  expect(statSync(at('run')).mode & 0o777).toBe(0o600);
});

test('what is not as it is expected is left alone, and no directory is made for it', () => {
  writeFileSync(at('a'), 'one');
  expect(change('a', { content: 'two', expected: blobOf('other') })).toBe(17);
  expect(change('a', { content: 'two', expected: 'absent' })).toBe(17);
  expect(change('a', { expected: blobOf('other') })).toBe(17);
  expect(change('x/y', { content: 'two', expected: 'present' })).toBe(17);
  expect([read('a'), existsSync(at('x'))]).toEqual(['one', false]);
  expect(change('a', { content: 'two', expected: blobOf('one') })).toMatch(/^changed modified /);
  expect(change('b', { content: 'two', expected: 'absent' })).toMatch(/^changed added /);
  expect(change('a', { content: 'three', expected: 'present' })).toMatch(/^changed modified /);
});

test('what another attempt may have done is done, and anything else is refused as ever', () => {
  const order = { content: 'two', expected: blobOf('one') };
  writeFileSync(at('a'), 'one');
  expect(change('a', order)).toMatch(/^changed modified /);
  expect(change('a', order)).toBe(17);
  expect(change('a', { ...order, again: true })).toMatch(/^changed unchanged /);
  writeFileSync(at('a'), 'three');
  expect(change('a', { ...order, again: true })).toBe(17);
  expect(change('gone', { again: true })).toMatch(/^changed unchanged - - /);
});

test('no link is followed, on the way or at the end; one is deleted as itself', () => {
  const outside = join(root, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'x'), 'x');
  symlinkSync(outside, at('link'));
  symlinkSync(join(outside, 'x'), at('to-file'));
  symlinkSync('nowhere', at('dangling'));
  for (const path of ['link/x', 'link/new', 'to-file', 'dangling', 'link']) {
    expect(change(path, { content: 'changed' })).toBe(11);
  }
  expect(change('link/x')).toBe(11);
  expect(change('to-file')).toMatch(/^changed deleted /);
  expect(change('dangling')).toMatch(/^changed deleted /);
  expect([readdirSync(outside), readFileSync(join(outside, 'x'), 'utf8'), readdirSync(tree)]).toEqual([
    ['x'],
    'x',
    ['link'],
  ]);
});

test('what is no file is neither written nor deleted', () => {
  mkdirSync(at('directory'));
  writeFileSync(at('file'), 'x');
  spawnSync('mkfifo', [at('pipe')]);
  for (const [path, code] of [
    ['directory', 13],
    ['pipe', 14],
    ['file/x', 12],
  ] as const) {
    expect(change(path, { content: 'x' })).toBe(code);
    expect(change(path)).toBe(code);
  }
  expect(readdirSync(tree)).toEqual(['directory', 'file', 'pipe']);
});

test('what an attempt left that was killed is taken away, and a content that is not whole is not written', () => {
  writeFileSync(at('.worktrail-evt_x'), 'half');
  expect(change('a', { content: 'whole' })).toMatch(/^changed added /);
  expect(readdirSync(tree)).toEqual(['a']);
});
