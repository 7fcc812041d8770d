// A short command of the system itself inside a sandbox: as the sandbox's user, outside of the history.

import { randomBytes } from 'node:crypto';
import { workspacePath } from '@worktrail/contract/environment-variables';
import type { EndFrame } from './journal-format.ts';
import type { SupervisorLink } from './supervisor-link.ts';

const outputBytesMax = 65_536;
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

export interface InternalCommand {
  argv: string[];
  env: Record<string, string>;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface InternalResult {
  end: EndFrame;
  stdout: string;
  stderr: string;
}

/** Everything it returns was written by what runs in the sandbox: parse it as hostile input. */
export async function runInternalCommand(link: SupervisorLink, command: InternalCommand): Promise<InternalResult> {
  const id = `int_${Array.from(randomBytes(26), (byte) => alphabet[byte % 32]).join('')}`;
  const { argv, env, timeoutMs, signal } = command;
  const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  try {
    await link.start({ id, argv, env, cwd: workspacePath, timeoutMs, outputBytesMax, origin: 'internal' }, { signal });
    for await (const frame of link.follow(id, { signal })) {
      if (frame.type === 'output') output[frame.stream].push(Buffer.from(frame.bytes));
      if (frame.type === 'end') {
        return { end: frame, stdout: text(output.stdout), stderr: text(output.stderr) };
      }
    }
    throw new Error('the journal of an internal command has no end');
  } finally {
    await link.removeCommand(id);
  }
}

function text(chunks: Uint8Array[]): string {
  return Buffer.concat(chunks).toString('utf8');
}
