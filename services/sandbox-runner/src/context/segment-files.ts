// The segments of one repository's index, as files of one directory.
//
// 1. A segment is on disk before it has its name: what a crash leaves is either whole or scratch, which goes when the next process begins.
// 2. One that is damaged, or of another format, is removed when that is seen: what it held is indexed anew.
// 3. Readers of one that is removed go on with it.

import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { openSegment, type Segment } from './segment.ts';
import { SegmentDamaged } from './segment-format.ts';

const ending = '.segment';
const scratchEnding = '.new';
/** As many buffers as the system takes at once. */
const buffersAtOnceMax = 512;

export function segmentNames(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith(ending));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export function writeSegment(directory: string, id: string, buffers: readonly Buffer[]): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const name = `${id}${ending}`;
  const scratch = join(directory, `${id}${scratchEnding}`);
  const file = openSync(scratch, 'wx', 0o600);
  try {
    for (let from = 0; from < buffers.length; from += buffersAtOnceMax) {
      writeWhole(file, buffers.slice(from, from + buffersAtOnceMax));
    }
    fsyncSync(file);
  } catch (error) {
    rmSync(scratch, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(scratch, join(directory, name));
  syncDirectory(directory);
  return name;
}

/** Undefined where it is not there any more, or was damaged, and is not there now. */
export function openNamedSegment(directory: string, name: string): Segment | undefined {
  try {
    return openSegment(join(directory, name));
  } catch (error) {
    if (error instanceof SegmentDamaged) removeSegment(directory, name);
    else if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

export function removeSegment(directory: string, name: string): void {
  rmSync(join(directory, name), { force: true });
}

/** What an earlier process was writing. */
export function removeScratch(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.endsWith(scratchEnding)) rmSync(join(directory, name), { force: true });
  }
}

function writeWhole(file: number, buffers: readonly Buffer[]): void {
  let left = buffers.filter((buffer) => buffer.length > 0);
  while (left.length > 0) {
    let written = writevSync(file, left);
    const rest: Buffer[] = [];
    for (const buffer of left) {
      if (written >= buffer.length) written -= buffer.length;
      else {
        rest.push(buffer.subarray(written));
        written = 0;
      }
    }
    left = rest;
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
