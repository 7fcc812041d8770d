// A short command of the system itself inside a sandbox: as the sandbox's user, outside of the history.
//
// One with a key goes on where this process lets go of it, and is found again by its key until its end was heard of.

import { createHash, randomBytes } from 'node:crypto';
import { workspacePath } from '@worktrail/contract/environment-variables';
import type { EndFrame, JournalFrame } from './journal-format.ts';
import type { SupervisorLink } from './supervisor-link.ts';

const outputBytesMaxDefault = 65_536;
/** Its supervisor stops reading at 16 MiB, or 262,144 frames, that are not acknowledged. */
const unacknowledgedBytesMax = 1024 ** 2;
const unacknowledgedFramesMax = 4_096;
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

export interface InternalCommand {
  /** Attempts with the same one are the same command, of which the first to hear of its end tells. Without one it is another each time. */
  key?: string;
  argv: string[];
  env: Record<string, string>;
  timeoutMs: number;
  outputBytesMax?: number;
  signal?: AbortSignal;
}

export interface InternalResult {
  end: EndFrame;
  stdout: string;
  stderr: string;
}

/** Everything it returns was written by what runs in the sandbox: parse it as hostile input. */
export async function runInternalCommand(link: SupervisorLink, command: InternalCommand): Promise<InternalResult> {
  const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  for await (const frame of followInternalCommand(link, command)) {
    if (frame.type === 'output') output[frame.stream].push(Buffer.from(frame.bytes));
    if (frame.type === 'end') {
      return { end: frame, stdout: text(output.stdout), stderr: text(output.stderr) };
    }
  }
  throw new Error('the journal of an internal command has no end');
}

/** Frame by frame, as fast as they are taken. Who stops taking them before the end, ends a command without a key. */
export async function* followInternalCommand(
  link: SupervisorLink,
  command: InternalCommand,
): AsyncGenerator<JournalFrame, void, void> {
  const { key, argv, env, timeoutMs, outputBytesMax = outputBytesMaxDefault, signal } = command;
  const seed = key === undefined ? randomBytes(26) : createHash('sha256').update(key).digest().subarray(0, 26);
  const id = `int_${Array.from(seed, (byte) => alphabet[byte % 32]).join('')}`;
  let ended = false;
  let acknowledged = 0;
  let frames = 0;
  try {
    await link.start({ id, argv, env, cwd: workspacePath, timeoutMs, outputBytesMax, origin: 'internal' }, { signal });
    for await (const frame of link.follow(id, { signal })) {
      ended = frame.type === 'end';
      yield frame;
      if (frame.type !== 'output') continue;
      const position = frame.position + frame.bytes.length;
      frames += 1;
      if (position - acknowledged < unacknowledgedBytesMax && frames < unacknowledgedFramesMax) continue;
      await link.ack(id, position);
      acknowledged = position;
      frames = 0;
    }
  } finally {
    if (!ended && key === undefined) {
      await link.cancel(id, { graceMs: 0, reason: 'nobody waits for it' }).catch(() => undefined);
    }
    if (ended || key === undefined) await link.removeCommand(id);
  }
}

function text(chunks: Uint8Array[]): string {
  return Buffer.concat(chunks).toString('utf8');
}
