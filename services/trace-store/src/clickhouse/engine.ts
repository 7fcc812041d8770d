// The engine in this process: how much it may take of the machine, and where it may write copies. It is one for all connections, and the first one decides.
//
// Its own defaults are those of a server that has the machine to itself: caches of gigabytes, sixteen merges at once.

import { availableParallelism } from 'node:os';
import { Session } from 'chdb';

const mebibyte = 1024 ** 2;
/** Beside what Node holds, which is about 400 MiB at full rate. A statement that would need more fails; the process lives. */
const memoryBytesMax = 900 * mebibyte;
/** While merges hold more, no other is begun. One holds up to 200 MiB (embedded-merges.ts, schema/0018). */
const mergesMemoryBytes = 256 * mebibyte;
const mergesMax = Math.min(8, Math.max(2, availableParallelism()));

const settings = {
  max_server_memory_usage: memoryBytesMax,
  background_pool_size: mergesMax,
  background_merges_mutations_concurrency_ratio: 1,
  merges_mutations_memory_usage_soft_limit: mergesMemoryBytes,
  // Who reads or stores goes first. Without the right to (CAP_SYS_NICE) it is as before.
  os_threads_nice_value_merge_mutate: 10,
  mark_cache_size: 64 * mebibyte,
  index_mark_cache_size: 32 * mebibyte,
  primary_index_cache_size: 64 * mebibyte,
  uncompressed_cache_size: 0,
  query_condition_cache_size: 16 * mebibyte,
  text_index_tokens_cache_size: 32 * mebibyte,
  text_index_header_cache_size: 32 * mebibyte,
  text_index_postings_cache_size: 64 * mebibyte,
};

/** The engine writes copies here and reads them from here, and nowhere else. */
export function backupsDirectory(path: string): string {
  return `${path}-backups`;
}

/** Open before, and closed after, every connection to the directory. @throws where another process has it. */
export function startEngine(path: string): { close(): void } {
  const all = { ...settings, 'backups.allowed_path': backupsDirectory(path) };
  const connectionArgs = Object.entries(all).map(([name, value]) => `--${name}=${value}`);
  try {
    const engine = new Session(path, { connectionArgs });
    return { close: () => engine.close() };
  } catch (error) {
    throw new Error(
      `cannot open the ClickHouse directory ${path}: another trace-store may be running on it (one process, one directory), ` +
        'or it is not writable',
      { cause: error },
    );
  }
}
