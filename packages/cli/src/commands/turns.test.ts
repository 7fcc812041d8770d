// The table of turns, and what is shown of one.

import type { Turn, WorktrailEvent } from '@worktrail/client';
import { afterEach, expect, test } from 'vitest';
import { layoutTable } from '../screen/table.ts';
import { createStyle } from '../screen/style.ts';
import { answer, startCli, startTestApi, type TestApi } from '../test-api.ts';
import { turnColumns } from './turns.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const sessionId = 'ses_01kagb3pyqe1bsnx50e4g66jdv';
const turn = (index: number, more: Partial<Turn> = {}): Turn => ({
  ...{ id: `trn_01kagb3pyqe1bsnx50e4g66jd${index}`, sessionId, text: 'Why does npm test fail? Mend it.' },
  ...{ state: 'ended', outcome: 'completed' },
  usage: { steps: 4, inputTokens: 3_000_000, outputTokens: 129, cachedInputTokens: 0, costUsd: 0 },
  ...{
    queuedAt: '2026-01-01T00:00:00.000Z',
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:01:41.000Z',
  },
  ...more,
});
const tableOf = (turns: Turn[], width = 80) => {
  const columns = turnColumns(createStyle(false), turns);
  return layoutTable(
    columns,
    turns.map((one) => columns.map(({ cell }) => cell(one))),
    width,
  );
};

test('ids are whole on a terminal of 80 columns: they are what "turns show" is asked for with', () => {
  const turns = [
    turn(1),
    turn(2, { outcome: 'limit_reached', reason: 'session_tokens' }),
    turn(3, { state: 'running', outcome: null, usage: null, endedAt: null }),
  ];
  const lines = tableOf(turns);
  for (const [index, { id }] of turns.entries()) expect(lines[index + 1]).toMatch(new RegExp(`^${id}  `));
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});

test('cost and reason are shown where there is one', () => {
  expect(tableOf([turn(1)], Infinity)[0]).toMatch(/^TURN +STATE +TOKENS +TIME +TEXT$/);
  const costs = turn(2, { outcome: 'failed', reason: 'the model is away', usage: { ...turn(2).usage!, costUsd: 1.5 } });
  const [titles, , failed] = tableOf([turn(1), costs], Infinity);
  expect(titles).toMatch(/^TURN +STATE +TOKENS +COST +TIME +TEXT +REASON$/);
  expect(failed).toMatch(
    /failed +3000129 +\$1\.50+ +1 min 41 s +Why does npm test fail\? Mend it\. +the model is away$/,
  );
});

test('of a turn that waits for an answer it is shown what is asked, and how to answer', async () => {
  const permission = { permissionId: 'trn_1-p1', toolCallId: 'c', toolKind: 'execute', detail: 'rm\u001b[2J -r x' };
  const waits = { ...turn(1), state: 'running', outcome: null, permissions: [permission] };
  const events: Partial<WorktrailEvent>[] = [{ type: 'message.user', turnId: turn(1).id, data: { text: 'do it' } }];
  const api = await startTestApi(({ path }, response) =>
    path.endsWith('/events')
      ? answer(response, 200, { items: events, nextCursor: 'c', complete: true })
      : answer(response, 200, waits),
  );
  servers.push(api);
  const env = { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' };
  const cli = startCli(['turns', 'show', sessionId, turn(1).id], env);
  expect(await cli.exitCode).toBe(0);
  expect(cli.stdout().toString()).toContain(
    `> do it\nThe agent asks whether it may (execute): rm -r x\n  worktrail permission ${sessionId} trn_1-p1 allow   (or deny)\n`,
  );
});
