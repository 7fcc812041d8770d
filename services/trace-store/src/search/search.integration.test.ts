// Search on a real ClickHouse: what a slow look at each text finds, in the same order, page by page; of one organization.

import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { searchedTypes } from '@worktrail/contract/search';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { applySchema } from '../clickhouse/schema.ts';
import { dateTimeText } from '../clickhouse/sql-text.ts';
import { type Fixture, newSession, openFixture, output, publisher, queued } from '../trace-store-fixture.ts';
import { type Hit, search, type SearchQuestion } from './search.ts';
import { lowerAscii, parseTerms, wordPattern } from './search-terms.ts';

const dayMs = 86_400_000;
const now = new Date('2026-11-26T12:00:00.000Z');
const organizations = [newId('organization'), newId('organization')];
const projects = [newId('project'), newId('project')];
const sessions = Array.from({ length: 5 }, () => newId('session'));

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const word = fc.constantFrom(
  'error',
  'Error:',
  'refused',
  'connection',
  'src/a.ts',
  'größe',
  "it's",
  'repository',
  '{x}',
  '\u001b[0m',
  'étape',
  'größerror',
);
const texts = fc.sample(
  fc.record({
    organization: fc.constantFrom(0, 0, 0, 1),
    project: fc.nat(1),
    session: fc.constantFrom(...sessions),
    task: fc.constantFrom('', 'tsk_1'),
    type: fc.constantFrom(...searchedTypes, 'command.output' as const),
    /** Most of them lately, many at one time. */
    ageMs: fc.oneof(fc.nat(dayMs), fc.nat(20 * dayMs), fc.nat(200 * dayMs), fc.constantFrom(3_600_000, 9 * dayMs)),
    text: fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
  }),
  { numRuns: 1_500, seed: 3 },
);
const rows = texts.map(({ organization, project, session, task, type, ageMs, text }, index) => ({
  organization_id: organizations[organization]!,
  project_id: projects[project]!,
  session_id: session,
  task_id: task,
  type,
  // In the newer parts alone.
  text: index < 1_000 ? text : `${text} lately`,
  epoch: 1,
  sequence: index + 1,
  fill: 0,
  ms: now.getTime() - ageMs,
}));

describe.each([
  { parts: 'with their index', isIndexed: true },
  { parts: 'of which the newer ones have none yet', isIndexed: false },
])('of random texts in parts $parts', ({ isIndexed }) => {
  let scratch: Scratch;
  let lifetime: Lifetime;
  let clickhouse: ClickHouse;

  beforeAll(async () => {
    scratch = await makeScratch('search');
    lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
    clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
    await applySchema(clickhouse);
    const stored = rows.map(({ ms, text, type, ...row }) => ({
      ...{ ...row, time: dateTimeText(new Date(ms)), ingested_at: dateTimeText(new Date(ms + 50)) },
      ...(type === 'command.output' ? { stream: 'stdout', body: text } : { type, text }),
    }));
    const key = [
      'organization_id',
      'project_id',
      'session_id',
      'task_id',
      'epoch',
      'sequence',
      'fill',
      'time',
      'ingested_at',
    ] as const;
    const isOutput = (row: object) => 'body' in row;
    const output = stored.filter(isOutput);
    const spoken = stored.filter((row) => !isOutput(row));
    // What is not deduplicated by its block.
    for (const some of [output, output.toReversed()])
      await clickhouse.insert('command_output_v1', [...key, 'stream', 'body'], some);
    for (const some of [spoken, spoken.slice(9)]) await clickhouse.insert('events_v1', [...key, 'type', 'text'], some);
    if (!isIndexed) for (const table of ['events_v1', 'command_output_v1']) await storeAgainWithoutIndex(table);
  });
  afterAll(async () => {
    await lifetime.close();
    await scratch.remove();
  });

  async function storeAgainWithoutIndex(table: string): Promise<void> {
    for (const statement of [
      `CREATE TABLE held AS ${table}`,
      `INSERT INTO held SELECT * FROM ${table} SETTINGS insert_deduplicate = 0`,
      `TRUNCATE TABLE ${table}`,
      `INSERT INTO ${table} SELECT * FROM held WHERE sequence <= 450 SETTINGS insert_deduplicate = 0`,
      `INSERT INTO ${table} SELECT * FROM held WHERE sequence BETWEEN 451 AND 900 SETTINGS insert_deduplicate = 0`,
      `OPTIMIZE TABLE ${table} FINAL`,
      `SYSTEM STOP MERGES ${table}`,
      `INSERT INTO ${table} SELECT * FROM held WHERE sequence > 900
        SETTINGS exclude_materialize_skip_indexes_on_insert = 'text_words,body_text', insert_deduplicate = 0`,
      'DROP TABLE held',
    ])
      await clickhouse.command(statement);
    const parts = await clickhouse.rows<{ isMerged: number }>(
      `SELECT min_block_number < max_block_number AS isMerged FROM system.parts WHERE table = '${table}' AND active`,
    );
    expect(new Set(parts.map(({ isMerged }) => isMerged))).toEqual(new Set([0, 1]));
  }

  const question = (change: Partial<SearchQuestion>): SearchQuestion => ({
    ...{ organizationId: organizations[0]!, q: 'error', projectId: '', sessionId: '', taskId: '' },
    ...{ types: searchedTypes, limit: 100, cursor: '' },
    ...change,
  });

  async function all(asked: SearchQuestion, lookMsMax?: number): Promise<Hit[]> {
    const hits: Hit[] = [];
    for (let cursor = ''; ; ) {
      const page = await search(clickhouse, { ...asked, cursor }, now, lookMsMax);
      expect(page.hits.length).toBeLessThanOrEqual(asked.limit);
      hits.push(...page.hits);
      if (page.next === '') return hits;
      if (lookMsMax === undefined) expect(page.hits).not.toEqual([]);
      expect(page.next).not.toBe(cursor);
      cursor = page.next;
    }
  }

  function looked({ organizationId, q, projectId, sessionId, taskId, types, from, to }: SearchQuestion): number[] {
    const { words, beginnings, phrases } = parseTerms(q);
    const wordsOf = (text: string): string[] => lowerAscii(text).match(wordPattern) ?? [];
    return rows
      .filter(({ text, ms, ...row }) => {
        const has = wordsOf(text);
        return (
          row.organization_id === organizationId &&
          types.some((type) => type === row.type) &&
          (projectId === '' || row.project_id === projectId) &&
          (sessionId === '' || row.session_id === sessionId) &&
          (taskId === '' || row.task_id === taskId) &&
          (!from || ms >= from.getTime()) &&
          (!to || ms < to.getTime()) &&
          words.every((one) => has.includes(one)) &&
          beginnings.every((beginning) => has.some((one) => one.startsWith(beginning))) &&
          phrases.every((phrase) => lowerAscii(text).includes(phrase))
        );
      })
      .toSorted((a, b) => b.ms - a.ms || compare(b.session_id, a.session_id) || b.sequence - a.sequence)
      .map(({ sequence }) => sequence);
  }

  /** Their words are asked of the index. */
  const ofBeginnings: Partial<SearchQuestion>[] = [
    { q: 'repo* größe', limit: 3 },
    { q: 'err*', projectId: projects[1]!, sessionId: sessions[2]! },
    { q: '"refused refused" rep*', limit: 10 },
    { q: 'er*', limit: 20 },
    { q: 'late* error' },
    { q: 'nowh* error' },
  ];

  test.each<Partial<SearchQuestion>>([
    ...(isIndexed ? ofBeginnings : []),
    {},
    { q: 'ERROR refused' },
    { q: '"connection refused"', limit: 7 },
    { q: 'src/a.ts', limit: 50 },
    { q: '"{x} error:"' },
    { q: "it's", types: ['command.output', 'reasoning'] },
    { q: '"\u001b[0m"', taskId: 'tsk_1' },
    { q: 'connection', types: ['message.user'], from: new Date(now.getTime() - 90 * dayMs), limit: 5 },
    { q: 'connection', to: new Date(now.getTime() - 2 * dayMs), limit: 11 },
    { q: 'connection', organizationId: organizations[1]! },
    { q: '"error refused repository"', limit: 2 },
    { q: '"of words that are not there"' },
    { q: 'nowhere' },
  ])('%j is what a look at each of them finds, page by page', async (change) => {
    const asked = question(change);
    const hits = await all(asked);
    expect(hits.map(({ sequence }) => sequence)).toEqual(looked(asked));
    const { words } = parseTerms(asked.q);
    for (const { excerpt } of hits) {
      const marked = excerpt.highlights.map(({ from, to }) => lowerAscii(excerpt.text.slice(from, to))).join(' ');
      for (const one of words) expect(marked).toContain(one);
    }
  });

  test.each<Partial<SearchQuestion>>([
    { q: '"error refused"', limit: 2 },
    { q: '"error refused connection"' },
    { q: 'error', limit: 3 },
    { q: '"refused refused refused"', types: ['command.output'] },
  ])('where %j takes long, a page has what was found until then, and the next goes on behind it', async (change) => {
    const asked = question(change);
    const hits = await all(asked, 0);
    expect(hits.map(({ sequence }) => sequence)).toEqual(looked(asked));
  });

  test('nothing that is asked for is more than text', async () => {
    const property = fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 40 }), async (q) => {
      const asked = question({ q: q.replaceAll('\0', ' '), limit: 20 });
      const answer = await search(clickhouse, asked, now).catch((error: unknown) => ConnectError.from(error));
      if (answer instanceof ConnectError) expect(answer.code).toBe(Code.InvalidArgument);
      else {
        const found = answer.hits.map(({ sequence }) => sequence);
        expect(found).toEqual(looked(asked).slice(0, answer.next === '' ? undefined : found.length));
      }
    });
    const quoted = ["'", "\\'", '") OR 1', '{a:String}', "'), ('x", '%s', '/* a */', '-- { retry 3 }'];
    await fc.assert(property, { numRuns: 60, examples: quoted.map((text) => [`${text} error`]) });
  });

  test('the words are looked up in the index, and the texts read of what is shown', async () => {
    for (const [table, column, index] of [
      ['events_v1', 'text', 'text_words'],
      ['command_output_v1', 'body', 'body_text'],
    ]) {
      const statements: string[] = [];
      const recording = {
        confined: (bounds: never, work: (connection: { text(sql: string): Promise<string> }) => Promise<never>) =>
          clickhouse.confined(bounds, (connection) =>
            work({ text: (sql) => (statements.push(sql), connection.text(sql)) }),
          ),
      };
      await search(recording as never, question({ q: 'error refused' }), now);
      const statement = statements.find((sql) => sql.includes(`FROM ${table}`))!;
      const plan = await clickhouse.rows<{ explain: string }>(
        `EXPLAIN indexes = 1 ${statement.replace(/FORMAT \w+/, '')}`,
      );
      const text = plan.map(({ explain }) => explain).join('\n');
      expect(text).toContain(`Name: ${index}`);
      expect(text).toContain(`__text_index_${index}_hasAllTokens`);
      expect(text.match(/Prewhere filter column: .*/)![0]).not.toContain(`hasAllTokens(${column}`);
    }
  });

  test.each(['x', '[]', '[1,"s",1,1]', '[1e300,"s",1,1,1]', '[1,{},1,1,1]'])('%s is no cursor', async (text) => {
    const cursor = Buffer.from(text).toString('base64url');
    await expect(search(clickhouse, question({ cursor }), now)).rejects.toMatchObject({ code: Code.OutOfRange });
  });
});

describe('of the service', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await openFixture('search');
    await fixture.start();
  });
  afterAll(() => fixture.close());

  test('a message, a command and a line of output are found as soon as they were published, by their own organization', async () => {
    const [mine, theirs] = [newSession(), newSession()];
    const commandId = newId('command');
    const publish = publisher(fixture.js, mine);
    await publish('session', 1, { case: 'messageUser', value: { text: 'Find the Needle' } });
    await publish(commandId, 1, queued('grep needle *'));
    await publish(commandId, 2, output('stderr', 7, 9, Buffer.from('a haystack\nwith a needle\n')));
    await publisher(fixture.js, theirs)('session', 1, { case: 'messageUser', value: { text: 'another needle' } });
    const { organizationId, projectId, sessionId } = mine;
    const { hits, next } = await fixture.trace.search({ organizationId, q: 'needle' });
    expect(next).toBe('');
    expect(hits.toSorted((a, b) => Number(a.cursor!.sequence - b.cursor!.sequence))).toMatchObject([
      { type: 'message.user', projectId, sessionId, text: 'Find the Needle', highlights: [{ from: 9, to: 15 }] },
      { type: 'command.queued', commandId, text: 'grep needle *', highlights: [{ from: 5, to: 11 }] },
      { type: 'command.output', commandId, stream: 'stderr', offset: 7n, highlights: [{ from: 18, to: 24 }] },
    ]);
    expect((await fixture.trace.search({ organizationId, q: 'needle', types: ['command.output'] })).hits).toHaveLength(
      1,
    );
  });

  test.each([
    ['q', { q: '!' }],
    ['types', { types: ['tool.started'] }],
    ['session_id', { sessionId: "x' OR 1" }],
    ['organization_id', { organizationId: '' }],
    ['from', { from: { seconds: 1n << 50n, nanos: 0 } }],
  ] as const)('what cannot be asked is refused by the name of the field: %s', async (field, change) => {
    const asked = { organizationId: organizations[0]!, q: 'needle', ...change };
    await expect(fixture.trace.search(asked as never)).rejects.toMatchObject({
      code: Code.InvalidArgument,
      rawMessage: expect.stringMatching(`^${field}`),
    });
  });
});
