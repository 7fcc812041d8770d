// What a use of a tool is to write, and what became of it so far, on the host's disk until all of it is told: an attempt after one that died
// goes on from there.
//
// 1. The plan is written once, whole, before any of it is done; what became of a file is added to it. So what is written grows with the
//    files and their contents, not with their product.
// 2. What was added is on the disk before the next is begun. A last line that is not whole was never acted upon.

import { appendFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ChangedFile } from '@worktrail/contract/session-messages';

export interface PlannedFile {
  changeId: string;
  path: string;
  /** null: it is deleted. */
  content: string | null;
  /** The blob that was there; '': nothing was. */
  before: string;
}

export type MadeFile = ChangedFile & { path: string };

export interface KeptPlan {
  readonly planned: readonly PlannedFile[];
  /** The first of them, as they were written. */
  readonly made: readonly MadeFile[];
  /** Why the next one could not be; what follows it is not tried. */
  readonly refused: string | undefined;
  add(outcome: Outcome): Promise<void>;
}

type Outcome = { made: MadeFile } | { refused: string };

/** Made anew. */
export async function keepPlan(path: string, planned: readonly PlannedFile[]): Promise<KeptPlan> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, lineOf(planned), { flush: true });
  return createKeptPlan(path, planned, []);
}

/** undefined: there is none. */
export async function openKeptPlan(path: string): Promise<KeptPlan | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const whole = bytes ? bytes.lastIndexOf(10) + 1 : 0;
  if (!bytes || whole === 0) return undefined;
  if (whole < bytes.length) await truncate(path, whole);
  const [planned, ...outcomes] = bytes.toString('utf8', 0, whole - 1).split('\n');
  return createKeptPlan(
    path,
    JSON.parse(planned!) as PlannedFile[],
    outcomes.map((line) => JSON.parse(line) as Outcome),
  );
}

export async function removeKeptPlan(path: string): Promise<void> {
  await rm(path, { force: true });
}

function createKeptPlan(path: string, planned: readonly PlannedFile[], before: readonly Outcome[]): KeptPlan {
  const made: MadeFile[] = [];
  let refused: string | undefined;
  const take = (outcome: Outcome) => {
    if ('made' in outcome) made.push(outcome.made);
    else refused = outcome.refused;
  };
  before.forEach(take);
  return {
    planned,
    made,
    get refused() {
      return refused;
    },
    async add(outcome) {
      await appendFile(path, lineOf(outcome), { flush: true });
      take(outcome);
    },
  };
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
