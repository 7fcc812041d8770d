import { createHash } from 'node:crypto';
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ExportedSession } from '@worktrail/contract/session-export';
import { CommandOutcome, type Event, EventSchema, Stream } from '@worktrail/proto/event';
import { createLogger } from '@worktrail/runtime/log';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTrajectory } from './atif.ts';
import type { ExportFormat } from './export-format.ts';
import { openExport } from './export-stream.ts';
import { createJsonLines } from './jsonl.ts';
import { createMarkdown } from './markdown.ts';

const session: ExportedSession = {
  ...{ id: 'ses_1', projectId: 'prj_1', taskId: null, trialId: null, title: 'Mend *it*', labels: {} },
  ...{ branch: 'worktrail/x', baseCommit: null, headCommit: null, inherited: [] },
  ...{ createdAt: '2026-01-01T00:00:00.000Z', lastActiveAt: '2026-01-01T00:00:00.000Z' },
};

type Payload = NonNullable<MessageInitShape<typeof EventSchema>['payload']>;

function event(number: number, payload: Payload, more: Partial<Event> = {}): Event {
  const time = timestampFromDate(new Date(Date.UTC(2026, 0, 1, 0, 0, number)));
  const ids = { organizationId: 'org_1', projectId: 'prj_1', sessionId: 'ses_1', producer: 'session' };
  return create(EventSchema, { id: `evt_${number}`, ...ids, number: BigInt(number), time, payload, ...more } as never);
}

/** Read in pages of two. */
async function exported(events: readonly Event[], format: ExportFormat, until = events.length): Promise<string> {
  const all = events.map((one, index) => ({ event: one, cursor: { epoch: 1, sequence: index + 1 } }));
  const body = await openExport(
    {
      page: async (_, { after }) => {
        const from = after?.sequence ?? 0;
        const page = all.slice(from, from + 2);
        const next = page.at(-1)?.cursor ?? after ?? { epoch: 1, sequence: 0 };
        return { events: page, next, complete: from + 2 >= all.length };
      },
    },
    { scope: {} as never, after: undefined, until: { epoch: 1, sequence: until }, types: [] },
    format,
    {
      signal: new AbortController().signal,
      log: createLogger({ service: 'test', level: 'silent' }),
      onClose: () => undefined,
    },
  );
  return Buffer.concat(await Array.fromAsync(body)).toString();
}

function sumOfAllBefore(text: string): [string, string] {
  const start = text.lastIndexOf('\n', text.length - 2) + 1;
  return [text.slice(start), createHash('sha256').update(text.slice(0, start)).digest('hex')];
}

const command = (number: number, payload: Payload) => event(number, payload, { producer: 'cmd_1', commandId: 'cmd_1' });
const output = (bytes: Uint8Array): Payload => ({
  case: 'commandOutput',
  value: { stream: Stream.STDOUT, offset: 0n, position: 0n, bytes },
});
const exited: Payload = { case: 'commandEnded', value: { outcome: CommandOutcome.EXITED, exitCode: 3 } };

test('each line has the whole event, output without its bytes twice, and the last the sum of all before', async () => {
  const bytes = Buffer.from([0xff, 0x00, 0x0a]);
  const events = [event(1, { case: 'messageUser', value: { text: 'Hi\u2028' } }), command(2, output(bytes))];
  const text = await exported(events, createJsonLines(session, false));
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines[0]).toEqual({ format: 'worktrail.session/1', session });
  expect(lines.slice(1, 3).map(({ cursor, type }) => [cursor, type])).toEqual([
    ['1-1', 'message.user'],
    ['1-2', 'command.output'],
  ]);
  const said = fromBinary(EventSchema, Buffer.from(lines[1].message, 'base64'));
  expect(said).toEqual(events[0]);
  const slim = fromBinary(EventSchema, Buffer.from(lines[2].message, 'base64'));
  expect(slim.payload.value).toMatchObject({ bytes: new Uint8Array() });
  expect(Buffer.from(lines[2].data.bytes, 'base64')).toEqual(bytes);
  const [last, sha256] = sumOfAllBefore(text);
  expect(JSON.parse(last)).toEqual({ end: { events: 2, cursor: '1-2', inherited: {}, sha256 } });
});

test('it ends where the history ended when it was asked for', async () => {
  const events = [1, 2, 3, 4, 5].map((number) => event(number, { case: 'sessionArchived', value: {} }));
  const lines = (await exported(events, createJsonLines(session, true), 3)).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).cursor)).toEqual(['1-1', '1-2', '1-3', undefined]);
});

test('nothing in a transcript that was said or printed looks like its own headings, or is HTML', async () => {
  const hostile = fc.string({
    unit: fc.constantFrom('\n', '\r', '#', ' ', '`', '>', '<', '\u001b', '\u202e', 'a', '|'),
  });
  await fc.assert(
    fc.asyncProperty(hostile, hostile, hostile, async (said, run, printed) => {
      const events = [
        event(1, { case: 'messageUser', value: { text: said } }),
        command(2, { case: 'commandQueued', value: { command: run, origin: 'user' } }),
        command(3, output(Buffer.from(printed))),
        command(4, exited),
        event(5, { case: 'limitReached', value: { limit: said, detail: printed } }),
      ];
      const text = await exported(events, createMarkdown({ ...session, title: said }));
      let fence = '';
      const outside = text.split('\n').filter((line) => {
        if (fence === '') fence = /^`{3,}(?=text$)/.exec(line)?.[0] ?? '';
        else if (line === fence) fence = '';
        else return false;
        return fence === '' && line === '' ? true : !/^`{3,}/.test(line);
      });
      expect(fence).toBe('');
      const headings = outside.filter((line) => /^#{2,} /.test(line)).map((line) => line.replace(/[`,].*$/, '').trim());
      expect(headings).toEqual(['## User', '## Command']);
      expect(outside.join('\n').replace(/<!-- end: .* -->\n$/, '')).not.toMatch(/^>.*</m);
      // oxlint-disable-next-line no-control-regex
      expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e]/);
      const [last, sha256] = sumOfAllBefore(text);
      expect(last).toContain(sha256);
    }),
    { numRuns: 200 },
  );
});

test('a trajectory has a step for each message, with the tools it asked for and what came of them', async () => {
  const toolCalls = [
    { toolCallId: 't-1', tool: 'read_file', inputJson: '{"path":"a"}' },
    { toolCallId: 't-2', tool: 'odd', inputJson: 'no json' },
  ];
  const usage = { model: 'm', inputTokens: 100n, outputTokens: 10n, cachedInputTokens: 5n, costUsd: 0.5 };
  const ended = (toolCallId: string) =>
    event(0, { case: 'toolEnded', value: { toolCallId, outputJson: `"${toolCallId}"`, failed: toolCallId === 't-2' } });
  const events = [
    event(1, { case: 'messageUser', value: { text: 'Mend it' } }),
    event(2, { case: 'reasoning', value: { messageId: 'm1', text: 'hm', attempt: 1 } }),
    event(3, { case: 'messageAgent', value: { messageId: 'm1', text: 'I look.', attempt: 1, toolCalls, usage } }),
    event(4, { case: 'usage', value: usage }),
    event(5, { case: 'toolStarted', value: toolCalls[0]! }),
    ended('t-1'),
    ended('t-2'),
    event(6, { case: 'toolStarted', value: { toolCallId: 'own', tool: 'terminal', inputJson: '{}' } }),
    event(7, { case: 'turnEnded', value: { outcome: 'failed', reason: 'model' } }),
    ended('own'),
    command(8, { case: 'commandQueued', value: { command: 'make', origin: 'user' } }),
    command(9, output(Buffer.from('ü'.repeat(100_000)))),
    command(10, exited),
    event(11, { case: 'messageAgent', value: { messageId: 'm2', text: 'Before.' } }, { sessionId: 'ses_0' }),
  ];
  const text = await exported(events, createTrajectory(session, '1'));
  const trajectory = JSON.parse(text);
  const [last, sha256] = sumOfAllBefore(text);
  expect(last).toContain(sha256);
  expect(trajectory).toMatchObject({
    ...{ schema_version: 'ATIF-v1.7', session_id: 'ses_1', agent: { name: 'worktrail', model_name: 'm' } },
    final_metrics: { total_prompt_tokens: 100, total_completion_tokens: 10, total_cost_usd: 0.5, total_steps: 6 },
  });
  const steps = trajectory.steps;
  expect(steps.map(({ step_id, source }: any) => [step_id, source])).toEqual([
    [1, 'user'],
    [2, 'agent'],
    [3, 'system'],
    [4, 'system'],
    [5, 'user'],
    [6, 'agent'],
  ]);
  expect(steps[1]).toMatchObject({
    ...{ message: 'I look.', model_name: 'm', reasoning_content: 'hm', llm_call_count: 1 },
    tool_calls: [
      { tool_call_id: 't-1', function_name: 'read_file', arguments: { path: 'a' } },
      { tool_call_id: 't-2', arguments: {}, extra: { input: 'no json' } },
      { tool_call_id: 'own', function_name: 'terminal' },
    ],
    observation: { results: [{ source_call_id: 't-1', content: '"t-1"' }, { source_call_id: 't-2' }] },
  });
  expect(steps[3]).toMatchObject({ observation: { results: [{ content: '"own"' }] }, extra: { toolCallId: 'own' } });
  expect(steps[4].message).toBe('$ make');
  expect(steps[4].observation.results[0].content.replace(/ü+/g, 'ü')).toMatch(
    /^ü\n\[… 36000 characters …\]\nü\n\[exited with 3\]$/,
  );
  expect(steps[5]).toMatchObject({ is_copied_context: true });
});

test('a trajectory in which nothing was said has a step that says so', async () => {
  const trajectory = JSON.parse(await exported([], createTrajectory(session, '1')));
  expect(trajectory.steps).toHaveLength(1);
});
