// Which of several trace-stores on one ClickHouse server stores: the one that holds the lease. The others wait.
//
// 1. The lease is an entry in a bucket whose entries vanish `leaseMs` after they were last written. It is taken by creating it and
//    renewed by compare-and-set, so two never hold it as long as both believe what NATS says. Its revision at creation is the fence:
//    it only grows.
// 2. The holder believes in its lease for less than NATS does (`trustMs`, counted from before the renewal was sent, on its own
//    monotonic clock), and asks before each insert. A process that was stopped and goes on finds its lease over.
// 3. An insert that was on its way when the lease ended may still arrive. The net below: rows have the same key whoever writes them
//    (ReplacingMergeTree; readers collapse them), and who takes over loads marks and position from ClickHouse. Only what two writers
//    had found out differently (a hole filled by one and not by the other) would then be told as either of them.
// 4. A clean stop gives the lease back; a killed holder is followed within `leaseMs` and a `retryMs`.

import type { KV } from '@nats-io/kv';
import type { Logger } from '@worktrail/runtime/log';

export interface StoringRight {
  /** Resolves once this process holds it. @throws when `signal` aborts. */
  taken(signal: AbortSignal): Promise<void>;
  /** The fence while this process holds it; undefined when it does not, or cannot be sure. */
  fence(): number | undefined;
}

export interface IngestLease extends StoringRight {
  /** Called when it is lost. */
  onLost(listener: () => void): void;
  /** Gives it back and takes it no more. */
  close(): Promise<void>;
}

export interface LeaseOptions {
  bucket: KV;
  /** Names this process, for people. */
  name: string;
  log: Logger;
  trustMs: number;
  retryMs: number;
}

const key = 'ingest';

interface Held {
  fence: number;
  revision: number;
  trustedUntilMs: number;
}

export function startIngestLease({ bucket, name, log, trustMs, retryMs }: LeaseOptions): IngestLease {
  let held: Held | undefined;
  let isClosed = false;
  const listeners = new Set<() => void>();
  const waiting = new Set<() => void>();
  let wake: () => void = () => {};

  const isTrusted = () => held !== undefined && performance.now() < held.trustedUntilMs;

  function lose(reason: string): void {
    if (!held) return;
    log.warn({ fence: held.fence, reason }, 'the lease is lost: another trace-store may store from here on');
    held = undefined;
    for (const listener of listeners) listener();
  }

  async function take(): Promise<void> {
    const trustedUntilMs = performance.now() + trustMs;
    const revision = await bucket.create(key, JSON.stringify({ name })).catch(unlessTaken);
    if (revision === undefined) return await findOwn();
    hold({ fence: revision, revision, trustedUntilMs });
  }

  /** The answer to an earlier writing of ours was lost. */
  async function findOwn(): Promise<void> {
    const entry = await bucket.get(key);
    if (entry?.operation !== 'PUT') return;
    const value = entry.json<{ name: string; fence?: number }>();
    if (value.name !== name) return;
    await renew({ fence: value.fence ?? entry.revision, revision: entry.revision, trustedUntilMs: 0 });
  }

  async function renew(current: Held): Promise<void> {
    const trustedUntilMs = performance.now() + trustMs;
    const { fence, revision } = current;
    const renewed = await bucket.update(key, JSON.stringify({ name, fence }), revision).catch(unlessTaken);
    if (renewed !== undefined) return hold({ fence, revision: renewed, trustedUntilMs });
    if (held === undefined) return;
    await findOwn();
    if (held === current) lose('another one has it');
  }

  function hold(next: Held): void {
    if (held?.fence !== next.fence) log.info({ fence: next.fence }, 'this trace-store stores from here on');
    held = next;
    for (const resolve of [...waiting]) resolve();
  }

  async function run(): Promise<void> {
    while (!isClosed) {
      if (held && !isTrusted()) lose('it was not renewed in time');
      try {
        await (held ? renew(held) : take());
      } catch (error) {
        log.debug({ err: error }, 'the lease could not be asked for');
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, retryMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  const running = run();
  return {
    taken: async (signal) => {
      signal.throwIfAborted();
      if (isTrusted()) return;
      await new Promise<void>((resolve, reject) => {
        const done = () => {
          waiting.delete(done);
          signal.removeEventListener('abort', abort);
          resolve();
        };
        const abort = () => {
          waiting.delete(done);
          reject(signal.reason);
        };
        waiting.add(done);
        signal.addEventListener('abort', abort, { once: true });
      });
    },
    fence: () => (isTrusted() ? held?.fence : undefined),
    onLost: (listener) => void listeners.add(listener),
    close: async () => {
      isClosed = true;
      wake();
      await running;
      if (held && isTrusted()) await bucket.delete(key, { previousSeq: held.revision }).catch(() => {});
      held = undefined;
    },
  };
}

function unlessTaken(error: unknown): undefined {
  if (!/wrong last sequence/i.test(String((error as Error).message))) throw error;
}

/** `check` throws where the right to store is not the one that was held when `begin` was called last. */
export function createFence(right: StoringRight): { begin(): void; check(): void } {
  let fence = right.fence();
  return {
    begin: () => {
      fence = right.fence();
    },
    check: () => {
      if (fence === undefined || right.fence() !== fence) throw new Error('the lease to store is lost');
    },
  };
}

/** For a store that belongs to this process alone. */
export const ownStore: StoringRight = { taken: async () => {}, fence: () => 0 };
