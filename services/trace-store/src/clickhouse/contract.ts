// What the store asks of ClickHouse, each question once for every way to reach one: in process, and over HTTP. The answers are the same.
//
// 1. In SQL over the views, for what a way has to do: values of each type, both formats, parameters, streams, errors, limits, who goes away.
// 2. By the store's own functions, with their own statements.

import { createHash } from 'node:crypto';
import { listCommandIds, readCommands } from '../history/commands.ts';
import { listSessionIds } from '../history/sessions.ts';
import { listTurns, sumTurns } from '../history/turns.ts';
import { answerReport, reports } from '../reports/answer-report.ts';
import type { Interval } from '../reports/intervals.ts';
import type { ReportQuestion } from '../reports/report.ts';
import type { TestSession } from '../trace-store-fixture.ts';
import type { ClickHouse, ConfinedConnection } from './store.ts';

export type Asked = Pick<ClickHouse, 'rows' | 'bytes' | 'confined'>;

export interface Way {
  /** For statements over the views. */
  views: Asked;
  /** For the store's own statements. */
  store: Asked;
}

/** What is there to be asked about. */
export interface Story {
  session: TestSession;
  commandId: string;
}

export interface ContractCase {
  title: string;
  ask: (way: Way, story: Story) => Promise<unknown>;
  /** Where it is not of the story. */
  answer?: unknown;
}

const bounds = { seconds: 30, memoryBytes: 400 * 1024 ** 2, threads: 2 };
const numbers = (count: number) => `(SELECT arrayJoin(range(${count})) AS x)`;
const endless = `SELECT count() FROM ${numbers(2_000_000)} AS a, ${numbers(2_000_000)} AS b`;

const confined = <T>({ views }: Way, work: (connection: ConfinedConnection) => Promise<T>) =>
  views.confined(bounds, work);

async function read(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

/** ClickHouse's own number and name, which is all that is the same in its texts. */
async function errorOf(failing: Promise<unknown>): Promise<object> {
  const error = await failing.then(
    (answer) => new Error(`it was answered: ${JSON.stringify(answer)?.slice(0, 200)}`),
    (reason: unknown) => reason as Error & { code?: string; type?: string },
  );
  if ('type' in error && error.type !== undefined) return { code: String(error.code), type: error.type };
  const told = /Code: (\d+)\. DB::Exception: [\s\S]*\(([A-Z][A-Z0-9_]+)\)\s*$/.exec(error.message);
  return told ? { code: told[1], type: told[2] } : { message: error.message };
}

/** One value of each kind of type. */
const values: Readonly<Record<string, string>> = {
  UInt8: '255',
  Int16: '-32768',
  UInt64: '18446744073709551615',
  Int128: "'-170141183460469231731687303715884105728'",
  UInt256: "'115792089237316195423570985008687907853269984665640564039457584007913129639935'",
  Float32: '0.1',
  Float64: '1e308',
  Bool: 'true',
  String: String.raw`'it\'s\n\t\0\\ \xFF ü {x}'`,
  'FixedString(5)': "'abc'",
  UUID: "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'",
  IPv4: "'127.0.0.1'",
  IPv6: "'2001:db8::1'",
  Date: "'2026-01-02'",
  Date32: "'1925-01-02'",
  "DateTime('UTC')": "'2026-01-02 03:04:05'",
  "DateTime64(6, 'UTC')": "'2026-01-02 03:04:05.123456'",
  'Decimal(38, 10)': "'-12345678901234567890.0123456789'",
  "Enum8('a' = 1, 'b' = 2)": "'b'",
  'Nullable(String)': 'NULL',
  'LowCardinality(Nullable(String))': "'low'",
  'Array(Array(UInt32))': '[[1, 2], [], [3]]',
  'Tuple(UInt8, String)': "(1, 'x')",
  'Map(String, UInt64)': "map('a', 1, 'b', 2)",
};

/** A value of a parameter of each kind, as it comes and as it is read. */
const parameters: readonly [type: string, value: unknown, read: unknown][] = [
  ['UInt8', 5, 5],
  ['Int64', -9_007_199_254_740_991, -9_007_199_254_740_991],
  ['Float64', 0.5, 0.5],
  ['Bool', true, true],
  ['String', "it's; DROP {x:String}\n\t\\ -- { echo } ü", "it's; DROP {x:String}\n\t\\ -- { echo } ü"],
  ['Nullable(String)', null, null],
  ['Array(String)', ['a', "b'", 'c\\'], ['a', "b'", 'c\\']],
  ['Array(UInt8)', [], []],
  ['Date', '2026-01-02', '2026-01-02'],
  ["DateTime64(3, 'UTC')", '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.678'],
  ['Map(String, UInt8)', { a: 1 }, { a: 1 }],
  ['Map(String, UInt8)', {}, {}],
  ['Map(String, Array(String))', { "k':,{": ['a,b', '}'], x: [] }, { "k':,{": ['a,b', '}'], x: [] }],
];

const ofTypes: ContractCase[] = [
  ...Object.entries(values).flatMap(([type, value]): ContractCase[] => {
    const select = `SELECT CAST(${value}, '${type.replaceAll("'", "\\'")}') AS v, toTypeName(v) AS type`;
    return [
      { title: `a value of ${type} as a row`, ask: ({ views }) => views.rows(select) },
      { title: `a value of ${type} as bytes`, ask: ({ views }) => views.bytes(select) },
    ];
  }),
  ...parameters.map(
    ([type, v, readAs]): ContractCase => ({
      title: `a parameter of ${type}, ${JSON.stringify(v)}`,
      ask: ({ views }) => views.rows(`SELECT {v:${type}} AS v`, { v }),
      answer: [{ v: readAs }],
    }),
  ),
  {
    title: 'a parameter beside a bytes answer, twice in a statement',
    ask: ({ views }) => views.bytes('SELECT concat({s:String}, {s:String}) AS v', { s: '{' }),
    answer: Buffer.from('\x02{{'),
  },
];

const ofStatements: ContractCase[] = [
  {
    title: 'rows in their order, and none',
    ask: async ({ views }) => [
      await views.rows(`SELECT x FROM ${numbers(1_000)} ORDER BY x DESC LIMIT 3`),
      await views.rows('SELECT 1 AS x FROM events WHERE 0'),
    ],
    answer: [[{ x: 999 }, { x: 998 }, { x: 997 }], []],
  },
  {
    title: 'no bytes where there are no rows, with settings at the end',
    ask: ({ views }) => views.bytes('SELECT 1 AS x FROM events WHERE 0 SETTINGS max_execution_time = 10'),
    answer: Buffer.alloc(0),
  },
  {
    title: 'a WITH of its own, a join, a window, a subquery, a union, and comments',
    ask: ({ views }) =>
      views.rows(`/* of a client */ WITH c AS (SELECT session_id, count() AS n FROM events GROUP BY session_id) -- to the end
        SELECT * FROM (
          SELECT n, session_id, row_number() OVER (ORDER BY n, session_id) AS place FROM c JOIN sessions USING session_id
          WHERE session_id IN (SELECT session_id FROM commands) UNION ALL SELECT 0, '', 0
        ) ORDER BY n, session_id`),
  },
  {
    title: 'many megabytes at once, byte for byte',
    ask: async ({ views }) =>
      digest(await views.bytes(`SELECT x, repeat(char(x % 256), 64) AS v FROM ${numbers(100_000)} ORDER BY x`)),
  },
  ...['RowBinary', 'JSONEachRow', 'JSONCompactEachRow', 'CSV', 'TabSeparated'].map(
    (format): ContractCase => ({
      title: `${format} as it comes`,
      ask: (way) =>
        confined(way, async (connection) =>
          digest(
            await read(connection.stream(`SELECT x, repeat('"', 10) AS v FROM ${numbers(200_000)} ORDER BY x`, format)),
          ),
        ),
    }),
  ),
  {
    title: 'an answer that goes through a file, read when the connection is gone',
    ask: async (way) => {
      const sql = `SELECT x, repeat('"', 10) AS v FROM ${numbers(100_000)} ORDER BY x`;
      const file = await confined(way, (connection) => connection.document(sql, 'JSONEachRow'));
      const bytes = await read(file.pieces());
      await file.close();
      return digest(bytes);
    },
  },
  {
    title: 'statements one after the other on one connection, after one whose answer was left',
    ask: (way) =>
      confined(way, async (connection) => {
        for await (const _ of connection.stream(`SELECT repeat('x', 1000) FROM ${numbers(100_000)}`, 'CSV')) break;
        const bytes = await connection.bytes('SELECT 258::UInt16 AS v FORMAT RowBinary');
        return [bytes, await connection.text('SELECT 2 AS v FORMAT JSONCompactEachRow')];
      }),
    answer: [Buffer.of(2, 1), '[2]\n'],
  },
];

function digest(bytes: Buffer): object {
  const start = bytes.subarray(0, 200).toString('latin1');
  return { length: bytes.length, start, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const failing: ContractCase[] = [
  ...Object.entries({
    'a column that there is not': 'SELECT nope FROM events',
    'what is no SQL': 'SELECT FROM WHERE',
    'a type that a function does not take': "SELECT 1 + 'a'",
    'a text that is no number': "SELECT toUInt8('x')",
    'too few arguments': 'SELECT substring()',
    'an aggregate in WHERE': 'SELECT 1 FROM events WHERE count() > 1',
    'what is not grouped': 'SELECT type FROM events GROUP BY producer',
  }).map(([title, sql]): ContractCase => ({ title, ask: ({ views }) => errorOf(views.rows(sql)) })),
  {
    title: 'an error behind the first row',
    ask: (way) =>
      confined(way, async (connection) => {
        const sql = `SELECT x, intDiv(1, toInt64(150000) - x) AS v FROM ${numbers(200_000)} ORDER BY x`;
        return 'message' in (await errorOf(read(connection.stream(sql, 'CSV')))) ? 'failed otherwise' : 'failed';
      }),
  },
  {
    title: 'more time than a statement may take',
    ask: ({ views }) =>
      errorOf(views.confined({ ...bounds, seconds: 1 }, (connection) => connection.text(`${endless} FORMAT CSV`))),
    answer: { code: '159', type: 'TIMEOUT_EXCEEDED' },
  },
  {
    title: 'more memory than a statement may have',
    ask: (way) =>
      errorOf(
        confined(way, (connection) =>
          connection.text(`SELECT length(groupArray(x)) FROM ${numbers(400_000_000)} FORMAT CSV`),
        ),
      ),
    answer: { code: '241', type: 'MEMORY_LIMIT_EXCEEDED' },
  },
  {
    title: 'nobody waits for the answer any more, and the next is answered',
    ask: async ({ views }) => {
      const gone = new AbortController();
      const asking = views.confined(bounds, (connection) => connection.text(`${endless} FORMAT CSV`), gone.signal);
      const told = asking.catch((reason: unknown) => reason);
      setTimeout(() => gone.abort('gone'), 200);
      return [await told, await views.rows('SELECT 1 AS v')];
    },
    answer: ['gone', [{ v: 1 }]],
  },
];

/** Over the views, and what the store itself says to the same question. */
const ofViews: ContractCase[] = [
  'SELECT epoch, sequence, fill, event_id, type, time, data FROM events WHERE session_id = {session:String} ORDER BY epoch, sequence, fill LIMIT 200',
  'SELECT * FROM events ORDER BY session_id, epoch, sequence, fill',
  'SELECT * FROM sessions ORDER BY session_id DESC',
  'SELECT * FROM commands WHERE session_id = {session:String} ORDER BY command_id',
  'SELECT * FROM turns ORDER BY turn_id',
  'SELECT * FROM tool_calls ORDER BY tool_call_id',
  'SELECT * FROM file_changes ORDER BY session_id, time, path',
  'SELECT * FROM proposals ORDER BY proposal_id',
  'SELECT stream, offset, size, body FROM command_output WHERE command_id = {command:String} ORDER BY position',
  'SELECT * FROM session_totals ORDER BY session_id',
  'SELECT * FROM daily_totals ORDER BY day, project_id, type, model',
].flatMap((sql): ContractCase[] => {
  const given = ({ session, commandId }: Story) => ({ session: session.sessionId, command: commandId });
  return [
    { title: `rows of: ${sql}`, ask: async ({ views }, story) => some(await views.rows(sql, given(story))) },
    { title: `bytes of: ${sql}`, ask: async ({ views }, story) => some(await views.bytes(sql, given(story))) },
  ];
});

function some<Answer extends { length: number }>(answer: Answer): Answer {
  if (answer.length === 0) throw new Error('there is nothing to compare');
  return answer;
}

const ofLists: ContractCase[] = [
  {
    title: 'the list of sessions, page by page, of all and of a project',
    ask: async ({ store }, { session: { organizationId, projectId } }) => {
      const filter = { organizationId, projectId: '', taskId: '', trialId: '', state: '', beforeSessionId: '' };
      const first = some(await listSessionIds(store, filter, 3));
      const next = await listSessionIds(store, { ...filter, beforeSessionId: first.at(-1)! }, 100);
      return [first, next, some(await listSessionIds(store, { ...filter, projectId }, 100))];
    },
  },
  {
    title: "a session's commands",
    ask: async ({ store }, { session: { organizationId, sessionId } }) => {
      const ids = some(await listCommandIds(store, organizationId, sessionId, '', 100));
      return some(await readCommands(store, organizationId, sessionId, ids));
    },
  },
  {
    title: "a session's turns, and what they come to",
    ask: async ({ store }, { session: { organizationId, sessionId } }) => [
      some(await listTurns(store, { organizationId, sessionId, afterTurnId: '', turnId: '', limit: 100 })),
      await sumTurns(store, { organizationId, sessionId }),
    ],
  },
];

const ofReports: ContractCase[] = [...reports].flatMap(([name, report]) =>
  report.groups.map(
    (groupBy): ContractCase => ({
      title: `the report ${name} by ${groupBy}`,
      ask: async ({ store }, { session: { organizationId } }) => {
        const ask = async (change: Partial<ReportQuestion>) => {
          const question = { organizationId, projectId: '', groupBy, interval: 'none' as Interval, ...change };
          return (await answerReport(store, report, question, 1_000)).rowsJson;
        };
        const all = await ask({});
        if (all === '[]') throw new Error('there is nothing to compare');
        return [
          all,
          await ask({ label: { name: "te'am", value: 'a {b}' }, ...(!report.isList && { interval: 'week' }) }),
        ];
      },
    }),
  ),
);

export const contractCases: readonly ContractCase[] = [
  ...[ofTypes, ofStatements, failing, ofViews, ofLists, ofReports].flat(),
];
