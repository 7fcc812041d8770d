// An agent's process in its sandbox: started once under the supervisor, whoever is restarted in between, with its journal as the record of
// what it said and its input file as the record of what it was told.
//
// 1. What was written to its input once is not written again, and a line that was cut off by a crash was never handed over.
// 2. Its journal stays until `remove`, from the beginning; what was read of it is acknowledged, so that it never waits for us.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { JournalFrame } from '../supervision/journal-format.ts';
import { openIfThere } from '../supervision/journal-reader.ts';
import type { SupervisorLink } from '../supervision/supervisor-link.ts';

const acknowledgeBytes = 1024 ** 2;
const acknowledgeFrames = 4_096;
const endPatienceMs = 5_000;
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

export function agentProcessId(turnId: string): string {
  return processIdFrom('agt', turnId);
}

/** `terminal`: counted from 1. */
export function agentTerminalId(turnId: string, terminal: number): string {
  return processIdFrom('trm', `${turnId} ${terminal}`);
}

function processIdFrom(prefix: string, name: string): string {
  const digest = createHash('sha256').update(name).digest().subarray(0, 26);
  return `${prefix}_${Array.from(digest, (byte) => alphabet[byte % 32]).join('')}`;
}

export interface AgentProcess {
  /** Its frames from the first, until its end. */
  frames(signal: AbortSignal): AsyncGenerator<JournalFrame, void, void>;
  /** `whole`: it is all that it is told, from the beginning, and its end. */
  send(bytes: string, how: { whole?: true | undefined }): Promise<void>;
}

export interface AgentCommand {
  script: string;
  env: Record<string, string>;
  cwd: string;
  outputBytesMax: number;
}

/** Started, or found as it was started before. */
export async function startAgentProcess(
  { link, record }: OpenSandbox,
  id: string,
  { script, env, cwd, outputBytesMax }: AgentCommand,
  signal: AbortSignal,
): Promise<AgentProcess> {
  const argv = [record.shell, '-c', script];
  await link.start({ id, argv, env, cwd, outputBytesMax, stdin: 'file' }, { signal });
  return {
    frames: (until) => processFrames(link, id, until),
    async send(bytes, { whole }) {
      await link.writeStdin(id, Buffer.from(bytes), whole ? { offset: 0, close: true } : {});
    },
  };
}

/** All that it was told so far, as whole lines; what was written of another one goes. */
export function readGiven(runPath: string, id: string): string {
  const path = join(runPath, 'stdin', id);
  if (!existsSync(path)) return '';
  const bytes = readFileSync(path);
  const whole = bytes.lastIndexOf(10) + 1;
  if (whole < bytes.length) truncateSync(path, whole);
  return bytes.toString('utf8', 0, whole);
}

/** What there is of the journal of one that is gone with its sandbox. */
export async function* framesLeft(runPath: string, id: string): AsyncGenerator<JournalFrame, void, void> {
  const reader = openIfThere(join(runPath, 'journals', id));
  if (!reader) return;
  try {
    for (let frames = await reader.read(); frames.length > 0; frames = await reader.read()) yield* frames;
  } finally {
    reader.close();
  }
}

/** Ends it, with all that it has started. */
export async function endAgentProcess(
  { link, lost, bootId }: OpenSandbox,
  id: string,
  { graceMs, reason }: { graceMs: number; reason: string },
): Promise<void> {
  const header = await link.header(id);
  // With the container that it was in, it is gone.
  if (header?.bootId !== bootId) return;
  await link.cancel(id, { graceMs, reason });
  const signal = AbortSignal.any([lost, AbortSignal.timeout(graceMs + endPatienceMs)]);
  for await (const frame of processFrames(link, id, signal)) if (frame.type === 'end') return;
}

export async function* processFrames(
  link: SupervisorLink,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<JournalFrame, void, void> {
  let told = 0;
  let frames = 0;
  for await (const frame of link.follow(id, { signal })) {
    yield frame;
    if (frame.type !== 'output') continue;
    const position = frame.position + frame.bytes.length;
    frames += 1;
    if (position - told < acknowledgeBytes && frames < acknowledgeFrames) continue;
    await link.ack(id, position);
    told = position;
    frames = 0;
  }
}
