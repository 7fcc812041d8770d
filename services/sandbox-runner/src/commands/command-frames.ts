// The frames of a command's journal as long as there can be more: to its end, or to where a lost sandbox left it.

import { join } from 'node:path';
import type { JournalFrame } from '../supervision/journal-format.ts';
import { cutBefore, openIfThere } from '../supervision/journal-reader.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';

export interface FrameSource {
  commandId: string;
  runPath: string;
  /** Undefined where the sandbox is gone, or was started anew since: nothing is written any more. */
  sandbox: OpenSandbox | undefined;
  /** Ends the iteration by throwing. */
  signal: AbortSignal;
}

/** Ends without an `end` frame when the sandbox was lost. Each frame comes once. */
export async function* readCommandFrames(source: FrameSource): AsyncGenerator<JournalFrame, void, void> {
  const { commandId, sandbox, signal } = source;
  const seen = { types: new Set<JournalFrame['type']>(), position: 0 };
  if (sandbox) {
    try {
      const until = AbortSignal.any([signal, sandbox.lost]);
      for await (const frame of sandbox.link.follow(commandId, { signal: until })) {
        note(seen, frame);
        yield frame;
      }
      return;
    } catch (error) {
      if (signal.aborted || !sandbox.lost.aborted) throw error;
    }
  }
  for await (const frame of readWritten(join(source.runPath, 'journals', commandId))) {
    const fresh =
      frame.type === 'output' ? cutBefore(frame, seen.position) : seen.types.has(frame.type) ? undefined : frame;
    if (fresh) yield fresh;
  }
}

function note(seen: { types: Set<JournalFrame['type']>; position: number }, frame: JournalFrame): void {
  seen.types.add(frame.type);
  if (frame.type === 'output') seen.position = frame.position + frame.bytes.length;
}

async function* readWritten(path: string): AsyncGenerator<JournalFrame, void, void> {
  const reader = openIfThere(path);
  if (!reader) return;
  try {
    for (let frames = await reader.read(); frames.length > 0; frames = await reader.read()) yield* frames;
  } finally {
    reader.close();
  }
}
