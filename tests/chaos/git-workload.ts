// What the git session of a round does, and the files that it must have at each step.
//
// Every cycle has a directory of its own, so that what is lost with a host in one cycle says nothing about the next. The file `sums`
// holds the checksums of the others: a required check finds by it whether a tree is one that somebody made.

import { createDraw } from './draw.ts';
import { sha256 } from './workload.ts';

/** By path. */
export type Files = Readonly<Record<string, string>>;

export interface Cycle {
  directory: string;
  /** What is written first and reverted to; the proposal is made of it. */
  first: Files;
  /** What is made of it then; the forks are. */
  second: Files;
  forks: number;
  /** It is closed at the moment at which it is merged: either may come first. */
  race: boolean;
}

/** Fails where a directory of a cycle is neither what it was first nor second. */
export const CHECK_COMMAND = 'for sums in cycle-*/sums; do sha256sum -c "$sums" || exit 1; done';

export function planCycle(seed: string, number: number): Cycle {
  const draw = createDraw(`${seed}/git/${number}`);
  const directory = `cycle-${number}-${draw.between(1_000_000, 9_999_999)}`;
  const text = (name: string) => `${name} of ${directory}\n`.repeat(draw.between(1, 2_000));
  const first = {
    [`${directory}/kept`]: text('kept'),
    [`${directory}/changed`]: text('before'),
    [`${directory}/gone`]: text('gone'),
  };
  const second = {
    [`${directory}/kept`]: first[`${directory}/kept`]!,
    [`${directory}/changed`]: text('after'),
    [`${directory}/sub/new`]: text('new'),
  };
  return {
    ...{ directory, first: withSums(directory, first), second: withSums(directory, second) },
    ...{ forks: draw.between(1, 3), race: number % 2 === 0 },
  };
}

function withSums(directory: string, files: Files): Files {
  const lines = Object.entries(files).map(([path, text]) => `${sha256(Buffer.from(text))}  ${path}\n`);
  return { ...files, [`${directory}/sums`]: lines.join('') };
}

/** What has to be written and deleted to make the one of the other. */
export function changesBetween(before: Files, after: Files): { path: string; text: string | null }[] {
  const gone = Object.keys(before).filter((path) => !(path in after));
  const written = Object.entries(after).filter(([path, text]) => before[path] !== text);
  return [...written.map(([path, text]) => ({ path, text })), ...gone.map((path) => ({ path, text: null }))];
}
