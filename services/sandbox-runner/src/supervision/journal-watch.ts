// One inotify watch for all journals of a run directory.
//
// Promise: a change between `reset` and `wait` is not missed, as far as the kernel reports it; what it does not report (a full event queue, a file system
// without events, no watches left) costs a follower its own poll interval and nothing else.

import { type FSWatcher, watch } from 'node:fs';

export type JournalGrowth = {
  /** Forgets what changed so far; call it before looking at the file. */
  reset(): void;
  /** Resolves when the file changed since `reset`, or after `timeoutMs`; rejects with the signal's reason. */
  wait(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  close(): void;
};

export type JournalWatch = {
  subscribe(fileName: string): JournalGrowth;
  close(): void;
};

type Subscriber = { changed: boolean; notify: (() => void) | undefined };

/** Watches a directory that exists. A watcher that fails (the directory was removed) leaves followers with their poll. */
export function openJournalWatch(directory: string): JournalWatch {
  const subscribers = new Map<string, Set<Subscriber>>();
  const wake = (subscriber: Subscriber) => {
    subscriber.changed = true;
    subscriber.notify?.();
  };
  const watcher = watchIfPossible(directory, (fileName) => {
    if (fileName !== null) subscribers.get(fileName)?.forEach(wake);
    else for (const set of subscribers.values()) set.forEach(wake);
  });

  return {
    subscribe(fileName) {
      const subscriber: Subscriber = { changed: false, notify: undefined };
      const set = subscribers.get(fileName) ?? new Set();
      subscribers.set(fileName, set.add(subscriber));
      return {
        reset() {
          subscriber.changed = false;
        },
        wait: (timeoutMs, signal) => waitForChange(subscriber, timeoutMs, signal),
        close() {
          set.delete(subscriber);
          if (set.size === 0 && subscribers.get(fileName) === set) subscribers.delete(fileName);
        },
      };
    },
    close() {
      watcher?.close();
    },
  };
}

/** Where the machine's inotify watches are used up, followers have their poll. */
function watchIfPossible(directory: string, changed: (fileName: string | null) => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, (_event, fileName) => changed(fileName));
    return watcher.on('error', () => watcher.close());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EMFILE') return undefined;
    throw error;
  }
}

function waitForChange(subscriber: Subscriber, timeoutMs: number, signal?: AbortSignal): Promise<void> {
  if (subscriber.changed) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      subscriber.notify = undefined;
      settle();
    };
    const abort = () => finish(() => reject(signal?.reason));
    const timer = setTimeout(() => finish(resolve), timeoutMs);
    subscriber.notify = () => finish(resolve);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
  });
}
