// Full-text search over messages, commands and output of one organization, by the text indexes; the newest first.
//
// 1. A page is exactly what follows its cursor in the order of time, session and position.
// 2. What was found often costs no more than what was found rarely: the newest stretch of time that has a page is enough. A stretch is
//    asked for by the time of ingest too, so that whole parts are left out: an event is stored after it happened, but for clocks.
// 3. It runs where tenants' SQL does, within bounds; what is too much is RESOURCE_EXHAUSTED.

import { Code, ConnectError } from '@connectrpc/connect';
import type { SearchedType } from '@worktrail/contract/search';
import { statementMemoryBytesMax, type ClickHouse, type ConfinedConnection } from '../clickhouse/store.ts';
import { queryError } from '../query/errors.ts';
import { sqlList, Sql, sql } from '../clickhouse/sql-text.ts';
import { type Excerpt, excerptOf } from './excerpt.ts';
import { parseTerms, type Terms } from './search-terms.ts';

export interface SearchQuestion {
  organizationId: string;
  q: string;
  /** '' : of all. */
  projectId: string;
  sessionId: string;
  taskId: string;
  types: readonly SearchedType[];
  /** Of the events' own times. */
  from?: Date | undefined;
  to?: Date | undefined;
  limit: number;
  /** '' : from the newest. */
  cursor: string;
}

interface Place {
  ms: number;
  session_id: string;
  epoch: number;
  sequence: number;
  fill: number;
}

interface Found extends Place {
  type: SearchedType;
  project_id: string;
  task_id: string;
  turn_id: string;
  command_id: string;
  stream: string;
  at: number;
  bytes: string;
}

export interface Hit extends Omit<Found, 'bytes'> {
  excerpt: Excerpt;
}

export interface SearchAnswer {
  hits: Hit[];
  /** '' after the last. */
  next: string;
}

const bounds = { seconds: 10, memoryBytes: statementMemoryBytesMax, threads: 2 };
const dayMs = 86_400_000;
const stretchesMs = [dayMs, 8 * dayMs, 64 * dayMs, Number.POSITIVE_INFINITY];
const clocksApartMs = 3_600_000;
/** Of a text so much is looked at for what to show. */
const shownBytesMax = 64 * 1024;
/** A beginning of more words than these is looked for in the texts themselves. */
const wordsOfBeginningMax = 1_000;

interface Source {
  table: 'events_v1' | 'command_output_v1';
  index: string;
  column: Sql;
  columns: Sql;
}

const spoken: Source = {
  table: 'events_v1',
  index: 'text_words',
  column: sql`text`,
  columns: sql`type, turn_id, command_id, '' AS stream, 0 AS at`,
};
const output: Source = {
  table: 'command_output_v1',
  index: 'body_text',
  column: sql`body`,
  columns: sql`'command.output' AS type, '' AS turn_id, command_id, stream, \`offset\` AS at`,
};

export async function search(
  clickhouse: Pick<ClickHouse, 'confined'>,
  question: SearchQuestion,
  now: Date,
): Promise<SearchAnswer> {
  const terms = parseTerms(question.q);
  const after = question.cursor === '' ? undefined : parsePlace(question.cursor);
  try {
    return await clickhouse.confined(bounds, async (connection) => {
      const sources: Source[] = [];
      if (question.types.some((type) => type !== 'command.output')) sources.push(spoken);
      if (question.types.includes('command.output')) sources.push(output);
      const asked: { source: Source; has: Sql }[] = [];
      for (const source of sources) asked.push({ source, has: await conditionOf(connection, source, terms) });
      const newestMs = Math.min(
        ...[question.to?.getTime(), after?.ms, now.getTime() + clocksApartMs].filter((ms) => ms !== undefined),
      );
      for (const [index, stretchMs] of stretchesMs.entries()) {
        const sinceMs = Math.max(newestMs - stretchMs, question.from?.getTime() ?? Number.NEGATIVE_INFINITY);
        const isLast = index === stretchesMs.length - 1 || sinceMs > newestMs - stretchMs;
        const found: Found[][] = [];
        for (const { source, has } of asked) {
          found.push(await rows<Found>(connection, statementOf(source, has, question, after, sinceMs)));
        }
        const page = pageOf(found, question.limit);
        if (page.isMore || isLast) return answerOf(page, terms);
      }
      throw new Error('the last stretch of time has no end');
    });
  } catch (error) {
    throw queryError(error);
  }
}

interface FoundPage {
  page: Found[];
  isMore: boolean;
}

/** @param found of each source: in order, one more than the page has where there are more, some of them twice. */
function pageOf(found: readonly (readonly Found[])[], limit: number): FoundPage {
  const cut = found.filter((some) => some.length > limit);
  // Behind the last that one source gave, there may be more of it before what another gave.
  const known = cut.map((some) => some.at(-1)!).toSorted(newestFirst)[0];
  const all = found
    .flat()
    .toSorted(newestFirst)
    .filter((one, index, sorted) => index === 0 || newestFirst(sorted[index - 1]!, one) !== 0)
    .filter((one) => !known || newestFirst(one, known) <= 0);
  return { page: all.slice(0, limit), isMore: cut.length > 0 || all.length > limit };
}

function answerOf({ page, isMore }: FoundPage, terms: Terms): SearchAnswer {
  const hits = page.map(({ bytes, ...hit }) => ({ ...hit, excerpt: excerptOf(Buffer.from(bytes, 'base64'), terms) }));
  return { hits, next: isMore ? formatPlace(page.at(-1)!) : '' };
}

function statementOf(
  { table, column, columns }: Source,
  has: Sql,
  { organizationId, projectId, sessionId, taskId, types, to, limit }: SearchQuestion,
  after: Place | undefined,
  sinceMs: number,
): Sql {
  const conditions = [sql`organization_id = ${organizationId}`, has];
  if (table === 'events_v1') conditions.push(sql`type IN (${sqlList(types)})`);
  if (projectId !== '') conditions.push(sql`project_id = ${projectId}`);
  if (sessionId !== '') conditions.push(sql`session_id = ${sessionId}`);
  if (taskId !== '') conditions.push(sql`task_id = ${taskId}`);
  if (Number.isFinite(sinceMs)) {
    conditions.push(sql`time >= ${date(sinceMs)}`, sql`ingested_at >= ${date(sinceMs - clocksApartMs)}`);
  }
  if (to) conditions.push(sql`time < ${to}`);
  if (after) {
    const { ms, session_id, epoch, sequence, fill } = after;
    conditions.push(
      sql`time <= ${date(ms)}`,
      sql`(time, session_id, epoch, sequence, fill) < (${date(ms)}, ${session_id}, ${epoch}, ${sequence}, ${fill})`,
    );
  }
  const where = conditions.reduce((all, condition) => sql`${all} AND ${condition}`);
  // Filtering by the first rows so far would have the text read instead of its index.
  return sql`SELECT ${columns}, toUnixTimestamp64Milli(time) AS ms, project_id, task_id, session_id, epoch, sequence, fill,
      base64Encode(substring(${column}, 1, ${shownBytesMax})) AS bytes
    FROM ${new Sql(table)} WHERE ${where}
    ORDER BY time DESC, session_id DESC, epoch DESC, sequence DESC, fill DESC LIMIT ${limit + 1}
    FORMAT JSONEachRow SETTINGS use_top_k_dynamic_filtering = 0, output_format_json_quote_64bit_integers = 0`;
}

/** That a text has all of the terms. */
async function conditionOf(
  connection: ConfinedConnection,
  source: Source,
  { words, beginnings, phrases }: Terms,
): Promise<Sql> {
  const { column } = source;
  const conditions = phrases.map((phrase) => sql`position(lower(${column}), ${phrase}) > 0`);
  if (words.length > 0) conditions.unshift(sql`hasAllTokens(${column}, [${sqlList(words)}])`);
  for (const beginning of beginnings) conditions.unshift(await beginningOf(connection, source, beginning));
  return conditions.reduce((all, condition) => sql`${all} AND ${condition}`);
}

async function beginningOf(
  connection: ConfinedConnection,
  { table, index, column }: Source,
  beginning: string,
): Promise<Sql> {
  const found = await rows<{ token: string }>(
    connection,
    sql`SELECT DISTINCT token FROM mergeTreeTextIndex(currentDatabase(), ${table}, ${index}) WHERE startsWith(token, ${beginning})
      LIMIT ${wordsOfBeginningMax + 1} FORMAT JSONEachRow`,
  );
  if (found.length === 0) return sql`0`;
  if (found.length <= wordsOfBeginningMax)
    return sql`hasAnyTokens(${column}, [${sqlList(found.map(({ token }) => token))}])`;
  return sql`match(lower(${column}), ${`(^|[^0-9a-z])${beginning}`})`;
}

async function rows<Row>(connection: ConfinedConnection, { text }: Sql): Promise<Row[]> {
  const answer = await connection.text(text);
  return answer
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

function newestFirst(a: Place, b: Place): number {
  const bySession = a.session_id < b.session_id ? 1 : a.session_id > b.session_id ? -1 : 0;
  return b.ms - a.ms || bySession || b.epoch - a.epoch || b.sequence - a.sequence || b.fill - a.fill;
}

function formatPlace({ ms, session_id, epoch, sequence, fill }: Place): string {
  return Buffer.from(JSON.stringify([ms, session_id, epoch, sequence, fill])).toString('base64url');
}

/** @throws ConnectError OUT_OF_RANGE for what is no cursor of a search. */
function parsePlace(cursor: string): Place {
  const [ms, session_id, epoch, sequence, fill] = parsed(cursor);
  const numbers = [ms, epoch, sequence, fill];
  const isPlace =
    typeof session_id === 'string' &&
    numbers.every((number) => Number.isSafeInteger(number) && (number as number) >= 0);
  const place = { ms, session_id, epoch, sequence, fill } as Place;
  if (isPlace && place.ms < maxMs && formatPlace(place) === cursor) return place;
  throw new ConnectError('cursor: is not the nextCursor of a search', Code.OutOfRange);
}

const maxMs = Date.parse('2200-01-01T00:00:00Z');

function parsed(cursor: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

const date = (ms: number) => new Date(Math.max(0, ms));
