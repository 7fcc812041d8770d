// Full-text search over messages, commands and output of one organization, by the text indexes; the newest first.
//
// 1. A page is exactly what follows its cursor in the order of time, session and position.
// 2. What was found often costs no more than what was found rarely: the newest stretch of time that has a page is enough. A stretch is
//    asked for by the time of ingest too, so that whole parts are left out: an event is stored after it happened, but for clocks.
// 3. A page for which too much would have to be read has what was found in a while, and its cursor is how far was looked.
// 4. It runs where tenants' SQL does, within bounds; what is too much is RESOURCE_EXHAUSTED.

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

/** A text that has the words; null where it has not the phrases. */
type Looked = Omit<Found, 'bytes'> & { bytes: string | null };

export interface Hit extends Omit<Found, 'bytes'> {
  excerpt: Excerpt;
}

export interface SearchAnswer {
  hits: Hit[];
  /** '' after the last. */
  next: string;
}

const bounds = { isOwn: true, seconds: 10, memoryBytes: statementMemoryBytesMax, threads: 2 };
const dayMs = 86_400_000;
const stretchesMs = [dayMs, 8 * dayMs, 64 * dayMs, Number.POSITIVE_INFINITY];
const clocksApartMs = 3_600_000;
/** Of a text so much is looked at for what to show. */
const shownBytesMax = 64 * 1024;
/** Texts found in one statement beyond those of a page: some have the same time. */
const besidesPage = 20;
/** Texts in which one statement looks for phrases, first and then: it holds all of them, and output has up to 64 KiB each. */
const firstForPhrases = 256;
const textsForPhrases = 1_024;
/** After so long a page has what was found until then. */
const lookMsDefault = 700;
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
  lookMsMax = lookMsDefault,
): Promise<SearchAnswer> {
  const terms = parseTerms(question.q);
  const after = question.cursor === '' ? undefined : parsePlace(question.cursor);
  try {
    return await clickhouse.confined(bounds, async (connection) => {
      const overdueMs = performance.now() + lookMsMax;
      const sources: Source[] = [];
      if (question.types.some((type) => type !== 'command.output')) sources.push(spoken);
      if (question.types.includes('command.output')) sources.push(output);
      const asked: Look[] = [];
      for (const source of sources) {
        const has = await conditionOf(connection, source, terms);
        asked.push({ source, has, phrases: terms.phrases, question, overdueMs });
      }
      const newestMs = Math.min(
        ...[question.to?.getTime(), after?.ms, now.getTime() + clocksApartMs].filter((ms) => ms !== undefined),
      );
      const found: Found[] = [];
      let untilMs = question.to?.getTime();
      for (const [index, stretchMs] of stretchesMs.entries()) {
        const sinceMs = Math.max(newestMs - stretchMs, question.from?.getTime() ?? Number.NEGATIVE_INFINITY);
        const isLast = index === stretchesMs.length - 1 || sinceMs > newestMs - stretchMs;
        const ends: Place[] = [];
        for (const look of asked) {
          const { hits, end } = await lookThrough(connection, look, after, { sinceMs, untilMs });
          found.push(...hits);
          if (end) ends.push(end);
        }
        const page = pageOf(found, ends, question.limit);
        if (page.next || isLast) return answerOf(page, terms);
        untilMs = sinceMs;
      }
      throw new Error('the last stretch of time has no end');
    });
  } catch (error) {
    throw queryError(error);
  }
}

interface FoundPage {
  page: Found[];
  /** Behind which there is more. */
  next: Place | undefined;
}

/** @param ends how far there was looked, where not at everything. */
function pageOf(found: readonly Found[], ends: readonly Place[], limit: number): FoundPage {
  // Behind where one source was left, there may be more of it before what another gave.
  const end = ends.toSorted(newestFirst)[0];
  const known = found
    .toSorted(newestFirst)
    .filter((one, index, sorted) => index === 0 || newestFirst(sorted[index - 1]!, one) !== 0)
    .filter((one) => !end || newestFirst(one, end) <= 0);
  const page = known.slice(0, limit);
  return { page, next: known.length > limit ? page.at(-1) : end };
}

function answerOf({ page, next }: FoundPage, terms: Terms): SearchAnswer {
  const hits = page.map(({ bytes, ...hit }) => ({ ...hit, excerpt: excerptOf(Buffer.from(bytes, 'base64'), terms) }));
  return { hits, next: next ? formatPlace(next) : '' };
}

interface Look {
  source: Source;
  /** By the index, as far as it can tell. */
  has: Sql;
  phrases: readonly string[];
  question: SearchQuestion;
  overdueMs: number;
}

interface Stretch {
  sinceMs: number;
  untilMs: number | undefined;
}

/**
 * From the newest on, some at a time, until there are enough for a page and one more. The index gives those that have the words; whether the
 * words are a phrase stands in the texts, which are read of so many alone.
 * @returns `end`: all before it was looked at; undefined where that is all there is.
 */
async function lookThrough(
  connection: ConfinedConnection,
  look: Look,
  after: Place | undefined,
  stretch: Stretch,
): Promise<{ hits: Found[]; end?: Place }> {
  const { phrases, question, overdueMs } = look;
  const hits: Found[] = [];
  let begin = after;
  let count = phrases.length > 0 ? firstForPhrases : question.limit + 1 + besidesPage;
  for (;;) {
    const ask = (order: Sql) => rows<Looked>(connection, statementOf(look, begin, stretch, order, count));
    let looked = await ask(byTime);
    const isCut = looked.length === count;
    let oldestMs = looked.reduce((oldest, { ms }) => Math.min(oldest, ms), Number.POSITIVE_INFINITY);
    if (isCut && looked.every(({ ms }) => ms === oldestMs)) {
      looked = await ask(byPlace);
      oldestMs = Number.NEGATIVE_INFINITY;
    }
    // Of the oldest time there may be more.
    const known = looked.filter(({ ms }) => !isCut || ms > oldestMs);
    hits.push(...known.filter((one): one is Found => one.bytes !== null));
    if (!isCut) return { hits };
    begin = Number.isFinite(oldestMs) ? lastOf(oldestMs + 1) : looked.toSorted(newestFirst).at(-1)!;
    if (hits.length > question.limit || performance.now() > overdueMs) return { hits, end: begin };
    if (phrases.length > 0) count = textsForPhrases;
  }
}

/** A sort by the time alone reads of the other columns only what is found. */
const byTime = sql`time DESC`;
const byPlace = sql`time DESC, session_id DESC, epoch DESC, sequence DESC, fill DESC`;

/** Before every older one, behind every one of this time. */
function lastOf(ms: number): Place {
  return { ms, session_id: '', epoch: 0, sequence: 0, fill: 0 };
}

function statementOf(
  { source: { table, column, columns }, has, phrases, question }: Look,
  after: Place | undefined,
  { sinceMs, untilMs }: Stretch,
  order: Sql,
  count: number,
): Sql {
  const { organizationId, projectId, sessionId, taskId, types } = question;
  const conditions = [sql`organization_id = ${organizationId}`, has];
  if (table === 'events_v1') conditions.push(sql`type IN (${sqlList(types)})`);
  if (projectId !== '') conditions.push(sql`project_id = ${projectId}`);
  if (sessionId !== '') conditions.push(sql`session_id = ${sessionId}`);
  if (taskId !== '') conditions.push(sql`task_id = ${taskId}`);
  if (Number.isFinite(sinceMs)) {
    conditions.push(sql`time >= ${date(sinceMs)}`, sql`ingested_at >= ${date(sinceMs - clocksApartMs)}`);
  }
  if (untilMs !== undefined) conditions.push(sql`time < ${date(untilMs)}`);
  if (after?.session_id === '') conditions.push(sql`time < ${date(after.ms)}`);
  else if (after) {
    const { ms, session_id, epoch, sequence, fill } = after;
    conditions.push(
      sql`time <= ${date(ms)}`,
      sql`(time, session_id, epoch, sequence, fill) < (${date(ms)}, ${session_id}, ${epoch}, ${sequence}, ${fill})`,
    );
  }
  const where = conditions.reduce((all, condition) => sql`${all} AND ${condition}`);
  const isHit = phrases.reduce((all, phrase) => sql`${all} AND position(lower(${column}), ${phrase}) > 0`, sql`1`);
  // Filtering by the first rows so far would have the text read instead of its index.
  return sql`SELECT ${columns}, toUnixTimestamp64Milli(time) AS ms, project_id, task_id, session_id, epoch, sequence, fill,
      if(${isHit}, base64Encode(substring(${column}, 1, ${shownBytesMax})), NULL) AS bytes
    FROM (SELECT * FROM ${new Sql(table)} WHERE ${where} ORDER BY ${order} LIMIT ${count})
    FORMAT JSONEachRow SETTINGS use_top_k_dynamic_filtering = 0, output_format_json_quote_64bit_integers = 0`;
}

/**
 * That a text has all words and beginnings; the words of phrases are among them. Which words have a beginning only an index can say: one that
 * is in no part with an index yet is not found (schema/0014 makes those of the parts of before).
 */
async function conditionOf(connection: ConfinedConnection, source: Source, { words, beginnings }: Terms): Promise<Sql> {
  const conditions = words.length > 0 ? [sql`hasAllTokens(${source.column}, [${sqlList(words)}])`] : [];
  for (const beginning of beginnings) conditions.push(await beginningOf(connection, source, beginning));
  return allOf(conditions);
}

function allOf(conditions: readonly Sql[]): Sql {
  return conditions.reduce((all, condition) => sql`${all} AND ${condition}`);
}

/** Where letters are small: what is no ASCII is of a word. */
const beforeWord = String.raw`(^|[\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f])`;

function inText(column: Sql, beginning: string): Sql {
  return sql`match(lower(${column}), ${`${beforeWord}${beginning}`})`;
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
  if (found.length > wordsOfBeginningMax) return inText(column, beginning);
  return sql`hasAnyTokens(${column}, [${sqlList(found.map(({ token }) => token))}])`;
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
