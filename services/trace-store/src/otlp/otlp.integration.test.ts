// Spans at a collector that is a real HTTP server: refuses, hangs up, takes, and is asked again after a restart.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Kvm, type KV } from '@nats-io/kv';
import { newId } from '@worktrail/contract/ids';
import { buckets, eventSubject } from '@worktrail/contract/subjects';
import { CommandOutcome, EventSchema } from '@worktrail/proto/event';
import { OtlpExportRequestSchema, type OtlpSpan } from '@worktrail/proto/otlp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fixture, newSession, openFixture, type TestSession } from '../trace-store-fixture.ts';

type Payload = NonNullable<MessageInitShape<typeof EventSchema>['payload']>;
const startMs = 1_790_000_000_000;
const patient = { timeout: 60_000, interval: 50 };

let fixture: Fixture;
let server: Server;
let positions: KV;
const taken: OtlpSpan[] = [];
const headersSeen: IncomingMessage['headers'][] = [];
/** What the next requests get instead of being taken. */
const troubles: ((response: ServerResponse) => void)[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      headersSeen.push(request.headers);
      const trouble = troubles.shift();
      if (trouble) return trouble(response);
      const { resourceSpans } = fromBinary(OtlpExportRequestSchema, Buffer.concat(chunks));
      taken.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
  fixture = await openFixture('otlp', { otlp: { url, headers: { 'x-key': 'secret' }, content: false } });
  await fixture.start();
  positions = await new Kvm(fixture.connection).open(buckets.otlp);
});
afterAll(async () => {
  await fixture?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
});

function publisherOf(session: TestSession, turnId: string) {
  const numbers = new Map<string, number>();
  return async (producer: string, second: number, payload: Payload) => {
    const number = (numbers.get(producer) ?? 0) + 1;
    numbers.set(producer, number);
    const event = create(EventSchema, {
      ...{ id: newId('event'), organizationId: session.organizationId, projectId: session.projectId },
      ...{ sessionId: session.sessionId, producer, number: BigInt(number), turnId },
      time: timestampFromMs(startMs + second * 1_000),
      commandId: producer.startsWith('cmd_') ? producer : '',
      payload,
    });
    await fixture.js.publish(eventSubject(session, producer), toBinary(EventSchema, event));
  };
}

/** A session in which each kind of thing ends once. */
async function live(session: TestSession): Promise<void> {
  const turnId = newId('turn');
  const commandId = newId('command');
  const own = publisherOf(session, '');
  const inTurn = publisherOf(session, turnId);
  const usage = { model: 'anthropic/m', inputTokens: 100n, outputTokens: 10n, costUsd: 0.5 };
  const tool = { toolCallId: `${turnId}-1-1`, tool: 'run_command' };
  const [started, ended] = [timestampFromMs(startMs + 4_000), timestampFromMs(startMs + 5_500)];
  await own('session', 0, { case: 'sessionCreated', value: { branch: 'x' } });
  await inTurn('turns', 1, { case: 'messageUser', value: { text: 'a secret wish' } });
  await inTurn('turns', 2, { case: 'turnStarted', value: { agent: 'anthropic/m' } });
  const toolCalls = [{ ...tool, inputJson: '{"command":"a secret"}' }];
  await inTurn(`${turnId}-1`, 3, {
    case: 'messageAgent',
    value: { messageId: `${turnId}-1`, finish: 'tool_calls', toolCalls, usage },
  });
  await inTurn(`${turnId}-1u`, 3, { case: 'usage', value: usage });
  await inTurn('turns', 4, { case: 'toolStarted', value: { ...tool, inputJson: '{"command":"a secret"}' } });
  await inTurn(commandId, 4, { case: 'commandQueued', value: { command: 'a secret' } });
  await inTurn(commandId, 5, {
    case: 'commandEnded',
    value: { outcome: CommandOutcome.EXITED, exitCode: 3, startedAt: started, endedAt: ended, stdoutBytes: 7n },
  });
  await inTurn(tool.toolCallId, 6, {
    case: 'toolEnded',
    value: { toolCallId: tool.toolCallId, failed: true, outputJson: '"a secret"' },
  });
  await inTurn('turns', 8, {
    case: 'turnEnded',
    value: { outcome: 'failed', reason: 'model', usage: { steps: 1, inputTokens: 100 } },
  });
  await own('runner-1', 9, { case: 'usage', value: usage });
  await own('session', 10, { case: 'sessionArchived', value: {} });
}

const spansOf = ({ sessionId }: TestSession) =>
  taken.filter((span) => attributesOf(span)['worktrail.session.id'] === sessionId);

function attributesOf({ attributes }: OtlpSpan): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value?.value.value]));
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const seconds = (nanoseconds: bigint) => Number(nanoseconds / 1_000_000n - BigInt(startMs)) / 1_000;
const answering =
  (status: number, headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end();

test('what has ended is a span once, whatever the collector did before it took it', async () => {
  await expect.poll(() => positions.get('partition-0'), patient).not.toBeNull();
  const session = newSession();
  troubles.push(answering(503, { 'retry-after': '0' }), (response) => void response.destroy(), answering(429));
  await live(session);
  await expect.poll(() => spansOf(session).length, patient).toBe(6);
  const spans = spansOf(session);
  expect(
    spans.map(({ name, startTimeUnixNano, endTimeUnixNano }) => [
      name,
      seconds(startTimeUnixNano),
      seconds(endTimeUnixNano),
    ]),
  ).toEqual([
    ['chat anthropic/m', 2, 3],
    ['command', 4, 5.5],
    ['execute_tool run_command', 4, 6],
    ['invoke_agent anthropic/m', 2, 8],
    ['chat anthropic/m', 9, 9],
    ['session', 0, 10],
  ]);
  const [chat, command, tool, turn, , whole] = spans;
  expect(new Set(spans.map(({ traceId }) => hex(traceId))).size).toBe(1);
  expect(new Set(spans.map(({ spanId }) => hex(spanId))).size).toBe(spans.length);
  for (const inTurn of [chat!, command!, tool!]) expect(hex(inTurn.parentSpanId)).toBe(hex(turn!.spanId));
  expect(hex(turn!.parentSpanId)).toBe(hex(whole!.spanId));
  expect(attributesOf(chat!)).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'anthropic',
    'gen_ai.request.model': 'anthropic/m',
    'gen_ai.usage.input_tokens': 100n,
    'gen_ai.conversation.id': session.sessionId,
  });
  expect(attributesOf(tool!)).toMatchObject({ 'gen_ai.tool.name': 'run_command', 'error.type': 'tool_failed' });
  expect(attributesOf(command!)).toMatchObject({ 'process.exit.code': 3n, 'worktrail.command.outcome': 'exited' });
  expect(turn!.status).toMatchObject({ code: 2, message: 'failed: model' });
  expect(JSON.stringify(spans, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
    'a secret',
  );
  expect(headersSeen.at(-1)).toMatchObject({ 'x-key': 'secret', 'content-type': 'application/x-protobuf' });
});

test('what ends while it is away is sent by the next one, and what was taken before it died is the same span again', async () => {
  const before = (await positions.get('partition-0'))!.value;
  const session = newSession();
  await live(session);
  await expect.poll(() => spansOf(session).length, patient).toBe(6);
  await expect
    .poll(async () => Buffer.compare((await positions.get('partition-0'))!.value, before), patient)
    .not.toBe(0);
  const ids = spansOf(session).map(({ spanId }) => hex(spanId));

  // It was taken, and the process died before it could note that.
  await fixture.stop();
  await positions.put('partition-0', before);
  const away = newSession();
  await live(away);
  await fixture.start();
  await expect.poll(() => spansOf(away).length, patient).toBe(6);
  expect(spansOf(session).map(({ spanId }) => hex(spanId))).toEqual([...ids, ...ids]);
});

test('what the collector refuses for good does not hold up what comes after it', async () => {
  const [refused, after] = [newSession(), newSession()];
  troubles.push(answering(400));
  await live(refused);
  await expect.poll(() => troubles.length, patient).toBe(0);
  await live(after);
  await expect.poll(() => spansOf(after).length, patient).toBe(6);
  expect(spansOf(refused).length).toBeLessThan(6);
});
