// What a thread does with what it is asked: see index-thread.ts for the other side.

import { parentPort } from 'node:worker_threads';
import type { ThreadAnswer, ThreadKind, ThreadMessage } from './index-thread.ts';

export interface ThreadRequest {
  /** Aborted when nobody waits any more. */
  signal: AbortSignal;
  tell(progress: unknown): void;
}

export function serveThread(work: (kind: ThreadKind, request: unknown, of: ThreadRequest) => Promise<unknown>): void {
  const port = parentPort!;
  const underway = new Map<number, AbortController>();
  port.on('message', (message: ThreadMessage) => {
    const { id } = message;
    if (message.kind === 'cancel') {
      underway.get(id)?.abort();
      return;
    }
    const canceling = new AbortController();
    underway.set(id, canceling);
    const tell = (progress: unknown) => port.postMessage({ id, progress } satisfies ThreadAnswer);
    work(message.kind, message.request, { signal: canceling.signal, tell })
      .then(
        (result): ThreadAnswer => ({ id, result }),
        (error: unknown): ThreadAnswer => ({ id, failure: error instanceof Error ? error.message : String(error) }),
      )
      .then((answer) => {
        underway.delete(id);
        port.postMessage(answer);
      })
      .catch((error: unknown) => {
        throw error;
      });
  });
}
