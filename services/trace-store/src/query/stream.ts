// The rows of a tenant's statement in a format, piece by piece, while the engine makes them.
//
// 1. What is over a limit before the first byte is refused by the limit's name. Later, the answer ends at the end of a row, and says so.
// 2. Who goes away, or takes longer than the statement may run, ends it.
// 3. Memory here is that of a few pieces; of a document of text, of the document.
// 4. A document of columns is sent when the statement is done: who takes long to read it takes no place of one that runs.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type QueryStreamRequest, type QueryStreamResponse, QueryStreamResponseSchema } from '@worktrail/proto/trace';
import type { AnswerFile } from '../clickhouse/answer-files.ts';
import type { ClickHouse, ConfinedConnection } from '../clickhouse/store.ts';
import { withParameters } from './parameters.ts';
import { limitOf, queryError } from './errors.ts';
import { emptyBlock, nativeAt } from './native-blocks.ts';
import { boundsOf, checkText } from './query.ts';
import { findFormat, formatNames, type QueryFormat } from './formats.ts';
import { canonical, columnsOf, confine, type Statement } from './statement.ts';

const streamBytesMax = 256 * 1024 * 1024;
const documentBytesMax = 32 * 1024 * 1024;
const documentRowsMax = 1_000_000;
/** Of sending what is in a file. */
const sendMsMax = 300_000;
/** Of one message. */
const pieceBytesMax = 256 * 1024;

/** What is asked, once what a client wrote around it has been taken off. */
export interface Asked {
  statement: Statement;
  format: string;
  /** `name = value`, for how values are written. */
  settings: readonly string[];
  /** Of the client's protocol, for Native. */
  revision?: number;
  /** At a limit the answer may end, where that is said; else it fails. */
  mayBeCut: boolean;
}

export type StreamQuestion = Pick<QueryStreamRequest, 'organizationId' | 'sql' | 'format' | 'parameters'> & {
  secondsMax: number;
  /** How the text becomes what is asked; without it, it is one statement as the API takes it. */
  ask?: (connection: ConfinedConnection) => Promise<Asked>;
};

type Part = QueryStreamResponse['part'];

export async function* streamQuery(
  clickhouse: Pick<ClickHouse, 'confined'>,
  question: StreamQuestion,
  signal: AbortSignal,
): AsyncGenerator<QueryStreamResponse> {
  checkText(question.sql);
  const gone = new AbortController();
  const { readable, writable } = new TransformStream<Part, Part>({}, undefined, { highWaterMark: 0 });
  const writer = writable.getWriter();
  let limit = '';
  let document: AnswerFile | undefined;
  const keep = async (file: AnswerFile) => {
    if (gone.signal.aborted) await file.close();
    else document = file;
  };
  const running = clickhouse
    .confined(
      boundsOf(question),
      async (connection) => {
        const asked = question.ask ? await question.ask(connection) : await askedPlainly(connection, question);
        limit = await write(connection, asked, (part) => writer.write(part), keep);
      },
      AbortSignal.any([signal, gone.signal]),
    )
    .then(
      () => writer.close(),
      (error: unknown) => writer.abort(queryError(error)),
    );
  running.catch(() => {});
  try {
    for await (const part of readable) yield create(QueryStreamResponseSchema, { part });
    if (document) yield* sent(document, signal);
    yield create(QueryStreamResponseSchema, { part: { case: 'end', value: { limit } as never } });
  } finally {
    gone.abort(new ConnectError('nobody waits for the answer', Code.Canceled));
    await document?.close();
  }
}

/** A reader that is gone, or takes nothing more, may leave us standing at a piece for ever: the document is closed all the same. */
async function* sent(document: AnswerFile, signal: AbortSignal): AsyncGenerator<QueryStreamResponse> {
  const tooLong = AbortSignal.timeout(sendMsMax);
  const stop = AbortSignal.any([signal, tooLong]);
  stop.throwIfAborted();
  stop.addEventListener('abort', () => void document.close().catch(() => {}), { once: true });
  try {
    for await (const value of document.pieces()) {
      yield create(QueryStreamResponseSchema, { part: { case: 'bytes', value: value as Uint8Array<ArrayBuffer> } });
    }
  } catch (error) {
    if (!tooLong.aborted) throw error;
    throw new ConnectError('query_time: the answer was not taken in time', Code.ResourceExhausted);
  }
}

async function askedPlainly(connection: ConfinedConnection, question: StreamQuestion): Promise<Asked> {
  const text = withParameters(await canonical(connection, question.sql), question.parameters);
  return {
    statement: await confine(connection, text, question.organizationId),
    mayBeCut: true,
    format: question.format,
    settings: ['output_format_json_quote_64bit_integers = 0', "date_time_output_format = 'iso'"],
  };
}

/** @returns the name of the limit at which it was cut, or nothing */
async function write(
  connection: ConfinedConnection,
  { statement, format: name, settings, revision = 0, mayBeCut }: Asked,
  put: (part: Part) => Promise<void>,
  keep: (document: AnswerFile) => Promise<void>,
): Promise<string> {
  const found = findFormat(name);
  if (!found) throw new ConnectError(`format is one of ${formatNames.join(', ')}`, Code.InvalidArgument);
  const bounds = [statement.settings, ...boundsFor(found.format), ...settings].join(', ');
  let begun = false;
  const send = async (bytes: Uint8Array) => {
    if (!begun) await put({ case: 'start', value: { format: found.name } as never });
    begun = true;
    for (let at = 0; at < bytes.length; at += pieceBytesMax) {
      await put({ case: 'bytes', value: bytes.subarray(at, at + pieceBytesMax) as Uint8Array<ArrayBuffer> });
    }
  };
  try {
    if (found.format.kind === 'file') await keep(await documentOf(connection, statement, found.name, bounds));
    else if (found.format.kind === 'blocks') await writeBlocks(connection, statement, revision, bounds, send);
    else await writeRows(connection, statement, found.name, found.format, bounds, send);
    if (!begun) await send(new Uint8Array());
    return '';
  } catch (error) {
    const limit = mayBeCut && begun && found.format.kind === 'rows' ? limitOf(error) : undefined;
    if (limit === undefined) throw error;
    return limit;
  }
}

async function writeRows(
  connection: ConfinedConnection,
  statement: Statement,
  name: string,
  format: Exclude<QueryFormat, { kind: 'file' | 'blocks' }>,
  settings: string,
  send: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  if (format.kind === 'rows') {
    // A connection has one stream at a time. The head is held back until there is a row, or none: nothing is sent of what fails at once.
    const head: Uint8Array[] = [];
    const empty = `${statement.select('*')} LIMIT 0 SETTINGS ${settings}`;
    if (format.head) await sendAll(connection, empty, format.head, async (piece) => void head.push(Buffer.from(piece)));
    const rowSql = `${statement.select(`formatRow('${format.row}', *)`)} SETTINGS ${settings}`;
    await sendAll(connection, rowSql, 'RawBLOB', async (piece) => send(Buffer.concat([...head.splice(0), piece])));
    if (head.length > 0) await send(Buffer.concat(head));
    return;
  }
  const columns = await columnsOf(connection, statement);
  await sendAll(connection, full(statement, columns, true, settings), name, send);
}

async function writeBlocks(
  connection: ConfinedConnection,
  statement: Statement,
  revision: number,
  settings: string,
  send: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const columns = await columnsOf(connection, statement);
  let isEmpty = true;
  for await (const piece of nativeAt(
    revision,
    connection.stream(full(statement, columns, false, settings), 'Native'),
  )) {
    isEmpty = false;
    await send(piece);
  }
  if (isEmpty) await send(emptyBlock(columns, revision));
}

async function documentOf(
  connection: ConfinedConnection,
  statement: Statement,
  name: string,
  settings: string,
): Promise<AnswerFile> {
  return await connection.document(full(statement, await columnsOf(connection, statement), true, settings), name);
}

/** Every value counts as often as it is written. */
function full(
  { select }: Statement,
  columns: readonly { name: string; type: string }[],
  isDocument: boolean,
  settings: string,
): string {
  const expressions = columns.map(({ name, type }, index) => {
    const value = `materialize(c${index})`;
    return `${isDocument ? `CAST(${value}, ${quoted(withoutNames(type), "'")})` : value} AS ${quoted(name, '`')}`;
  });
  const names = columns.map((_, index) => `c${index}`).join(', ');
  return `${select(expressions.join(', '), names)} SETTINGS ${settings}`;
}

async function sendAll(
  connection: ConfinedConnection,
  sql: string,
  format: string,
  send: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const piece of connection.stream(sql, format)) await send(piece);
}

function boundsFor(format: QueryFormat): string[] {
  if (format.kind === 'file') return [`max_result_bytes = ${streamBytesMax}`, ...format.settings];
  if (format.kind !== 'document') return [`max_result_bytes = ${streamBytesMax}`, 'max_block_size = 8192'];
  return [`max_result_bytes = ${documentBytesMax}`, `max_result_rows = ${documentRowsMax}`];
}

/** A value of a dictionary, or one that has a name, is written as often as it stands there: it counts so, too. */
export function withoutNames(type: string): string {
  const named = type.replace(/Enum(?:8|16)\((?:'(?:[^'\\]|\\.)*'|[^')])*\)/gs, 'String');
  return named.replace(/LowCardinality\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)/g, '$1');
}

function quoted(text: string, quote: "'" | '`'): string {
  return `${quote}${text.replace(/[\\'`{]/g, (character) => (character === '{' ? '\\x7B' : `\\${character}`))}${quote}`;
}
