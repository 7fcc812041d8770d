// ClickHouse, in process or as a server, behind one small interface. Only this service opens it.
//
// 1. A connection runs one statement at a time, and one on which a statement failed is not used again.
// 2. Settings are never passed beside a statement: in process they would stick to the connection. They stand inline.
// 3. Two processes never have one embedded directory: the engine locks it, and the second is told so.
// 4. A statement from outside gets a connection of its own that cannot write to tables, and that nobody uses after it.
// 5. Of one asker one such statement runs after the other, until the engine has let go of it: others find a place.
// 6. What we ask ourselves has places of its own: no text of a user's can take them, and not even a statement that the engine cannot stop.

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouseSettings } from '@clickhouse/client';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { ClickHouseConfig } from '../config.ts';
import { type AnswerFile, type AnswerFiles, openAnswerFiles } from './answer-files.ts';
import type { BinaryRows } from './row-binary.ts';
import { answerOf, type Connection, selectBytes, selectRows } from './connection.ts';
import { createConnectionPool } from './connection-pool.ts';
import { createFairShare } from '../fair-share.ts';
import { openEmbedded } from './embedded.ts';
import { startEngine } from './engine.ts';
import { onCluster } from './replicated.ts';
import { openRowFiles } from './row-files.ts';
import { openServer } from './server.ts';

export interface ClickHouseReader {
  /** Rows of one SELECT. Values come as parameters: `{name:Type}`. */
  rows<Row>(sql: string, parameters?: Record<string, unknown>): Promise<Row[]>;
  /** The same as RowBinary: for what holds many bytes. The statement has no FORMAT and may end with SETTINGS. */
  bytes(sql: string, parameters?: Record<string, unknown>): Promise<Buffer>;
}

export interface ClickHouse extends ClickHouseReader {
  /** DDL, and statements without an answer, one at a time; each may take long, as one that copies a table. */
  command(sql: string): Promise<void>;
  /** Rows as one block, in the order of `columns`. Resolves when they are stored. */
  insert(table: string, columns: readonly [string, ...string[]], rows: readonly object[]): Promise<void>;
  /** The same for many rows. Under a token that was used before, nothing is stored again (of the table's last 1,000). */
  insertBinary(table: string, rows: BinaryRows, token: string): Promise<void>;
  /**
   * For statements that come from outside. The bounds hold for everything on the connection, the analysis of a statement too. What runs
   * when the signal is given, or well past its time, is killed, and nobody waits for it. @throws the signal's reason
   */
  confined<T>(
    bounds: StatementBounds,
    work: (connection: ConfinedConnection) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;
}

/** Of a statement: as many of users' as run at once leave room in the engine's own bound (engine.ts) for what is stored meanwhile. */
export const statementMemoryBytesMax = 400 * 1024 ** 2;

export interface StatementBounds {
  /** A statement of ours, as of a report, and not a text of a user's. */
  isOwn?: boolean;
  /** Whose it is, where it is somebody's. */
  asker?: string;
  seconds: number;
  memoryBytes: number;
  threads: number;
}

export interface ConfinedConnection {
  /** One statement that names its own FORMAT; its answer as text. */
  text(sql: string): Promise<string>;
  /** The same, of a FORMAT that is no text; the whole of it. */
  bytes(sql: string): Promise<Buffer<ArrayBuffer>>;
  /** One statement without a format: its answer in this one, piece by piece. */
  stream(sql: string, format: string): AsyncIterable<Uint8Array>;
  /** The same of a format that is one document: made as a whole, and there until it is closed, also when the connection is not. */
  document(sql: string, format: string): Promise<AnswerFile>;
}

/** Within one call of a function ClickHouse looks at no limit of time; what is past it by so much has failed. */
const graceMs = 2_000;

export class StatementOverdue extends Error {
  readonly type = 'TIMEOUT_EXCEEDED';
  readonly code = '159';
}

const killAgainMs = 500;

const writersMax = 4;
const readersMax = 3;
const readsWaitingMax = 1_000;
/** Of a server's answer. */
const commandMsMax = 3_600_000;
/** Of users' SQL, and of our own statements. */
const placesMax = { sql: 2, own: 2 };
/** What the disk has to hold at most is this many times the bytes of an answer. */
const documentsMax = { inAll: 16, perAsker: 4 };
/** Of each asker. Whoever asks has not given up when one is refused because it has waited so long, for its turn and for a place. */
const perAsker = { atOnce: 1, waitingMax: 15, waitMsMax: 30_000 };

export async function openClickHouse(config: ClickHouseConfig, lifetime: Lifetime): Promise<ClickHouse> {
  if (config.kind === 'embedded') {
    const engine = startEngine(config.path);
    lifetime.onClose('clickhouse', () => engine.close());
  }
  const open = await connections(config);
  const documents = await openAnswerFiles(await answersDirectory(config, lifetime), documentsMax);
  const writers = createConnectionPool(() => open(), writersMax, readsWaitingMax);
  lifetime.onClose('clickhouse writers', () => writers.close());
  const readers = createConnectionPool(() => open(), readersMax, readsWaitingMax);
  lifetime.onClose('clickhouse readers', () => readers.close());
  const commands = createConnectionPool(() => open({}, commandMsMax), 1, readsWaitingMax);
  lifetime.onClose('clickhouse commands', () => commands.close());
  const sqlPlaces = createPlaces(placesMax.sql, 'SQL');
  const ownPlaces = createPlaces(placesMax.own, 'reports, searches and exports');
  return {
    rows: (sql, parameters) => readers.use((connection) => selectRows(connection, sql, parameters)),
    bytes: (sql, parameters) => readers.use((connection) => selectBytes(connection, sql, parameters)),
    command: async (sql) => {
      const query = config.kind === 'server' && config.cluster ? onCluster(sql, config.cluster) : sql;
      await commands.use(({ client }) => client.command({ query }));
    },
    insert: async (table, columns, rows) => {
      if (rows.length === 0) return;
      const [first, ...others] = columns;
      const insertion = { table, columns: [first, ...others], values: rows, format: 'JSONEachRow' } as const;
      await writers.use(({ client }) => client.insert(insertion as never));
    },
    insertBinary: (table, rows, token) => writers.use((connection) => connection.insertBinary(table, rows, token)),
    confined: async (bounds, work, signal) => {
      const overdue = new AbortController();
      const stop = AbortSignal.any([overdue.signal, ...(signal ? [signal] : [])]);
      const marker = randomUUID();
      const places = bounds.isOwn ? ownPlaces : sqlPlaces;
      const running = places.use(bounds.asker, stop, () => {
        const timer = setTimeout(
          () => overdue.abort(new StatementOverdue(`not done within ${bounds.seconds} s`)),
          bounds.seconds * 1_000 + graceMs,
        );
        return withReadOnlyClient({ config, open, documents }, bounds, marker, stop, work).finally(() =>
          clearTimeout(timer),
        );
      });
      return await stopped(running, stop, () => readers.use((connection) => kill(connection, marker)));
    },
  };
}

interface Places {
  /** @throws ConnectError ABORTED where there was no place in time; the signal's reason */
  use<T>(asker: string | undefined, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

function createPlaces(count: number, of: string): Places {
  const refused = (why: string) => new ConnectError(`all places for ${of} are taken: ${why}`, Code.Aborted);
  const pool = createConnectionPool(() => ({ close: async () => {} }), count, readsWaitingMax, refused);
  const share = createFairShare(perAsker);
  return {
    use: async (asker, signal, work) => {
      const untilMs = performance.now() + perAsker.waitMsMax;
      const run = () => pool.use(work, { signal, waitMsMax: Math.max(0, untilMs - performance.now()) });
      return await (asker === undefined ? run() : share.use(asker, run, signal));
    },
  };
}

/** A statement that is killed may go on for a while: its place is taken until it ends. */
async function stopped<T>(running: Promise<T>, signal: AbortSignal, killIt: () => Promise<void>): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason);
      void killUntilEnded(running, killIt);
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  running.catch(() => {});
  try {
    return await Promise.race([running, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Between two statements there is nothing to kill, and then there is. */
async function killUntilEnded(running: Promise<unknown>, killIt: () => Promise<void>): Promise<void> {
  const ended = running.then(
    () => true,
    () => true,
  );
  do await killIt().catch(() => {});
  while (!(await Promise.race([ended, delay(killAgainMs, false)])));
}

async function kill({ client }: Connection, marker: string): Promise<void> {
  await client.command({
    query: `KILL QUERY WHERE query LIKE '/* ${marker} */%' ASYNC`,
  });
}

async function withReadOnlyClient<T>(
  { config, open, documents }: { config: ClickHouseConfig; open: OpenConnection; documents: AnswerFiles },
  { asker = '', seconds, memoryBytes, threads }: StatementBounds,
  marker: string,
  stop: AbortSignal,
  work: (connection: ConfinedConnection) => Promise<T>,
): Promise<T> {
  const settings = {
    max_execution_time: seconds,
    max_memory_usage: String(memoryBytes),
    max_threads: threads,
    // Names of WITH are put in where they stand: what they come to grows by their powers.
    max_expanded_ast_elements: '50000',
    readonly: '2',
  } as const;
  const connection = open(settings);
  // A server that may not be told to kill anything notices that nobody is there.
  const leave = () => void connection.close();
  if (config.kind === 'server') stop.addEventListener('abort', leave, { once: true });
  try {
    // In process a setting belongs to the connection; a server takes it with each statement.
    if (config.kind === 'embedded') {
      const assignments = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
      await connection.client.command({ query: `SET ${assignments.join(', ')}` });
    }
    const marked = (sql: string) => `/* ${marker} */ ${sql}`;
    const bytes = async (sql: string) => (await answerOf(connection, marked(sql))) as Buffer<ArrayBuffer>;
    return await work({
      bytes,
      text: async (sql) => (await bytes(sql)).toString('utf8'),
      stream: async function* (sql, format) {
        yield* await connection.stream(marked(sql), format);
      },
      document: (sql, format) => documents.make(asker, (path) => connection.writeFile(marked(sql), format, path)),
    });
  } finally {
    stop.removeEventListener('abort', leave);
    await connection.close();
  }
}

/** Settings are a server's, which takes them with each statement. */
type OpenConnection = (serverSettings?: ClickHouseSettings, answerMsMax?: number) => Connection;

async function answersDirectory(config: ClickHouseConfig, lifetime: Lifetime): Promise<string> {
  if (config.kind === 'embedded') return `${config.path}-answers`;
  const directory = await mkdtemp(join(tmpdir(), 'worktrail-answers-'));
  lifetime.onClose('answers', () => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function connections(config: ClickHouseConfig): Promise<OpenConnection> {
  if (config.kind === 'server') return (settings = {}, answerMsMax) => openServer(config, settings, answerMsMax);
  const files = await openRowFiles(`${config.path}-rows`);
  return () => openEmbedded(config.path, files);
}
