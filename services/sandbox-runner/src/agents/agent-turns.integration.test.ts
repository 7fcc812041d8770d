// An agent under a real supervisor, followed into a real nats-server by runners that come and go. What it does is scripted by its
// message (tests/e2e/scripted-agent.py); its files are read and written by this test.

import { existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { AgentTurnResult } from '@worktrail/contract/agent-turns';
import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import { type AgentSpec, permissionsDefault, turnLimitsDefault } from '@worktrail/contract/agents';
import { newId } from '@worktrail/contract/ids';
import { eventStream, eventStreamSubjects, eventSubject } from '@worktrail/contract/subjects';
import { modelStepProducer } from '@worktrail/contract/turns';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { toolPath } from '@worktrail/testing/tool-paths';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSupervised, type Supervised } from '../../supervisor/test/supervised.ts';
import { log, newSession } from '../runner-bench.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { createSessionDirectories } from '../sessions/session-directory.ts';
import { agentProcessId, agentTerminalId } from './agent-process.ts';
import { type AgentTurnDeps, createAgentTurns } from './agent-turns.ts';

let scratch: Scratch;
let server: NatsServer;
let connection: NatsConnection;
let js: JetStreamClient;
let jsm: JetStreamManager;
let supervised: Supervised;
let deps: AgentTurnDeps;
const session = newSession({ repositoryPath: '/none' });

beforeAll(async () => {
  scratch = await makeScratch('agent-turns');
  server = await startNatsServer(join(scratch.path, 'nats'));
  connection = await connect({ servers: server.url });
  jsm = await jetstreamManager(connection);
  js = jetstream(connection, { timeout: 1_000 });
  await jsm.streams.add({ name: eventStream(0), subjects: [eventStreamSubjects(0).stored], allow_direct: true });
  supervised = await startSupervised({ binary: toolPath('WORKTRAIL_SUPERVISOR') });
  const script = fileURLToPath(new URL('../../../../tests/e2e/scripted-agent.py', import.meta.url));
  await copyFile(script, join(supervised.workspace, 'agent.py'));
  await chmod(join(supervised.workspace, 'agent.py'), 0o644);
  await mkdir(join(supervised.workspace, 'home'));
  await chown(join(supervised.workspace, 'home'), 1000, 1000);
  const directory = createSessionDirectories(scratch.path, 'cluster').at(session.sessionId);
  await directory.prepare();
  const sandbox = {
    record: { shell: '/bin/sh', imageEnv: [], sessionId: session.sessionId, opened: { baseCommit: 'a'.repeat(40) } },
    directory: { ...directory, runPath: supervised.runDirectory },
    link: supervised.link,
    bootId: (await supervised.link.bootId())!,
    lost: new AbortController().signal,
  } as unknown as OpenSandbox;
  const inTree = (path: string) => join(supervised.workspace, path);
  deps = {
    sandboxes: { attach: async () => sandbox, verify: async () => true },
    directories: { at: () => sandbox.directory, list: async () => [] },
    live: {
      list: async () => ({ items: [], next: null }),
      read: async (_, { path }, begin, take) => {
        const bytes = await readFile(inTree(path));
        begin({ size: bytes.length, offset: 0, length: bytes.length, blob: 'b'.repeat(40) });
        await take(bytes);
      },
    },
    changes: {
      change: async () => Promise.reject(new Error('not asked for')),
      changeTo: async (_, { path, bytes }) => {
        await writeFile(inTree(path), bytes ?? '');
        return { status: 'added', oldBlob: '', newBlob: 'c'.repeat(40), additions: 1, deletions: 0, binary: false };
      },
    },
    events: { js, jsm, log, trace: { getProducerMark: async () => ({ number: 0n }) as never } },
    trace: { listEvents: async () => ({ events: [], complete: true }) as never },
    readSecret: async (_, name) => `secret-${name}`,
    networkVariables: () => ({}),
    workTree: supervised.workspace,
    clock: Date.now,
  };
});
afterAll(async () => {
  await supervised?.close();
  await connection?.close();
  await server?.stop();
  await scratch?.remove();
});

function message(
  text: string,
  more: Partial<RunAgentTurnInput> = {},
  agent: Partial<AgentSpec> = {},
): RunAgentTurnInput {
  const turnId = newId('turn');
  return {
    ...{ ...session, partition: 0, generation: 1, turnId, producer: modelStepProducer(turnId, 1), text },
    agent: {
      ...{ kind: 'custom', model: '', command: 'HOME=$PWD/home exec python3 agent.py' },
      ...{ permissions: permissionsDefault, limits: turnLimitsDefault, ...agent },
    },
    environment: { env: { TOKEN: { secret: 'token' } }, resources: { outputBytesMax: 100_000_000 } },
    env: { PATH: '/usr/bin:/bin' },
    ...{ inherited: [], conversation: null, mayHaveBegun: false, decided: [], stop: false, ...more },
  };
}

const never = new AbortController().signal;

/** By a runner that is killed after so long. */
async function runFor(input: RunAgentTurnInput, ms: number): Promise<AgentTurnResult | undefined> {
  const detached = AbortSignal.timeout(ms);
  return createAgentTurns(deps)
    .run(input, { detached, canceled: never })
    .catch((error: unknown) => {
      if (!detached.aborted) throw error;
      return undefined;
    });
}

/** By a runner that is killed once the agent has said this. */
async function runUntilSaid(input: RunAgentTurnInput, text: string): Promise<void> {
  const left = new AbortController();
  const running = createAgentTurns(deps).run(input, { detached: left.signal, canceled: never });
  running.catch(() => undefined);
  await expect.poll(async () => saidInPieces(await eventsOf(input))).toContain(text);
  left.abort();
  await expect(running).rejects.toBeDefined();
}

/** By runners that are killed after each of these, and the next that takes over. */
async function run(input: RunAgentTurnInput, killedAfterMs: number[] = []): Promise<AgentTurnResult> {
  for (const ms of killedAfterMs) {
    const result = await runFor(input, ms);
    if (result) return result;
  }
  return createAgentTurns(deps).run(input, { detached: never, canceled: never });
}

async function eventsOf({ producer }: RunAgentTurnInput): Promise<Event[]> {
  const events: Event[] = [];
  const subject = eventSubject({ ...session, partition: 0 }, producer);
  for (let seq = 1; ; ) {
    const stored = await jsm.streams
      .getMessage(eventStream(0), { seq, next_by_subj: subject } as never)
      .catch(() => null);
    if (!stored) return events;
    events.push(fromBinary(EventSchema, stored.data));
    seq = stored.seq + 1;
  }
}

const kinds = (events: Event[]) => events.map(({ payload }) => payload.case).filter((one) => !one?.endsWith('Delta'));
const saidInPieces = (events: Event[]) =>
  events.map(({ payload }) => (payload.case === 'messageAgentDelta' ? payload.value.text : '')).join('');
const said = (events: Event[]) =>
  events.flatMap(({ payload }) => (payload.case === 'messageAgent' ? [payload.value.text] : []));

async function isGone({ turnId }: RunAgentTurnInput): Promise<boolean> {
  return !existsSync(join(supervised.runDirectory, 'journals', agentProcessId(turnId)));
}

test('what an agent says, does and has done for it is told', async () => {
  await writeFile(join(supervised.workspace, 'one.txt'), 'first\nsecond\n');
  const input = message(
    ['think hard', 'say one two', 'read one.txt', 'run echo $TOKEN', 'write two.txt new', 'say done'].join('\n'),
  );
  const result = await run(input);
  expect(result).toMatchObject({ kind: 'ended', outcome: 'completed', steps: 1, usage: { inputTokens: 4 } });
  const events = await eventsOf(input);
  expect(events.map(({ number }) => Number(number))).toEqual(events.map((_, index) => index + 1));
  expect(kinds(events)).toEqual([
    ...['reasoning', 'fileRead', 'messageAgent', 'toolStarted', 'toolEnded', 'filesChanged', 'messageAgent'],
  ]);
  expect(JSON.stringify(said(events))).toContain('one two');
  const end = events.find(({ payload }) => payload.case === 'toolEnded')!.payload.value as any;
  expect(end.outputJson).toContain('*'.repeat('secret-token'.length));
  expect(await isGone(input)).toBe(true);
});

test('runners that are killed one after the other neither lose nor double what it says and does', async () => {
  const lines = Array.from({ length: 12 }, (_, n) => [
    `say part ${n} of it`,
    `run echo ${n} >> ran; sleep 0.05`,
    `think about ${n}`,
    `write file-${n} text`,
    'read one.txt',
  ]).flat();
  const input = message(lines.join('\n'));
  const result = await run(input, [30, 180, 90, 150, 60, 260, 120, 33, 150, 90]);
  expect(result).toMatchObject({ outcome: 'completed', steps: 12 });
  const events = await eventsOf(input);
  expect(events.map(({ number }) => Number(number))).toEqual(events.map((_, index) => index + 1));
  const told = kinds(events);
  expect(told.filter((kind) => kind === 'toolEnded')).toHaveLength(12);
  expect(told.filter((kind) => kind === 'filesChanged')).toHaveLength(12);
  expect(told.filter((kind) => kind === 'reasoning')).toHaveLength(12);
  expect(
    said(events)
      .join('')
      .match(/part \d+ of it/g),
  ).toEqual(Array.from({ length: 12 }, (_, n) => `part ${n} of it`));
  const ran = await readFile(join(supervised.workspace, 'ran'), 'utf8');
  expect(ran.trim().split('\n')).toEqual(Array.from({ length: 12 }, (_, n) => String(n)));
});

test('what it says in pieces is what it says as a whole, also where a runner was killed between them', async () => {
  const words = Array.from({ length: 300 }, (_, n) => `word${n}`);
  const input = message(`say ${words.join(' ')}`);
  await run(input, [170, 80, 20]);
  const events = await eventsOf(input);
  const pieces = events.flatMap(({ payload }) => (payload.case === 'messageAgentDelta' ? [payload.value.text] : []));
  expect(pieces.join('')).toBe(said(events)[0]);
  expect(said(events)[0]!.trim().split(' ')).toEqual(words);
});

test('it waits for a permission, over the death of a runner, and hears what was decided', async () => {
  const asks = { ...permissionsDefault, execute: 'ask' } as const;
  const input = message('run echo a > asked\nrun echo b > denied\nsay over', {}, { permissions: asks });
  const first = await run(input, [120]);
  expect(first).toMatchObject({ kind: 'permissions', asked: [{ toolKind: 'execute' }] });
  expect(await run(input)).toEqual(first);
  const decide = (result: AgentTurnResult, decision: 'allow' | 'deny') => ({
    ...input,
    decided: result.kind === 'permissions' ? result.asked.map(({ toolCallId }) => ({ toolCallId, decision })) : [],
  });
  const second = await run(decide(first, 'allow'), [100]);
  expect(second.kind).toBe('permissions');
  expect(second).not.toEqual(first);
  expect(await run(decide(second, 'deny'))).toMatchObject({ outcome: 'completed', steps: 2 });
  expect(existsSync(join(supervised.workspace, 'asked'))).toBe(true);
  expect(existsSync(join(supervised.workspace, 'denied'))).toBe(false);
});

const toolEnds = (events: Event[]) =>
  events.flatMap(({ payload }) =>
    payload.case === 'toolEnded' ? [{ failed: payload.value.failed, ...JSON.parse(payload.value.outputJson) }] : [],
  );

test('an agent has commands run for it, and hears what they print and how they end', async () => {
  const lines = [
    'terminal echo $TOKEN | wc -c; seq 1 100; exit 3',
    'background echo up; touch is-up; sleep 600',
    'wait is-up',
    'kill',
    'background touch left-running; sleep 600',
    'wait left-running',
  ];
  const input = message(lines.join('\n'));
  expect(await run(input)).toMatchObject({ outcome: 'completed', steps: 3 });
  const events = await eventsOf(input);
  expect(kinds(events).filter((kind) => kind !== 'messageAgent')).toEqual([
    ...['toolStarted', 'toolEnded', 'toolStarted', 'toolEnded', 'toolStarted', 'toolEnded'],
  ]);
  const [first, second, third] = toolEnds(events);
  expect(first).toMatchObject({ failed: true, exitCode: 3, cut: true });
  expect(first.output).toMatch(/99\n100\n$/);
  expect(first.output.length).toBeLessThanOrEqual(100);
  expect(second).toMatchObject({ failed: true, output: 'up\n', error: 'canceled: the agent ends it' });
  expect(third).toMatchObject({ failed: true, error: 'the turn was ended before' });
  const heard = said(events).join('');
  expect(heard).toContain('"exitStatus": {"exitCode": 3, "signal": null}');
  expect(heard).toContain('"exitStatus": {"exitCode": null, "signal": "SIGTERM"}');
  for (const terminal of [1, 2, 3]) {
    expect(existsSync(join(supervised.runDirectory, 'journals', agentTerminalId(input.turnId, terminal)))).toBe(false);
  }
});

test('runners that are killed neither run a command of a terminal again nor lose how it ended', async () => {
  const lines = Array.from({ length: 8 }, (_, n) => `terminal echo ${n} >> in-terminal; sleep 0.1; echo part ${n}`);
  const input = message(lines.join('\n'));
  expect(await run(input, [60, 180, 90, 150, 60, 260, 120, 33, 150, 90])).toMatchObject({
    ...{ outcome: 'completed', steps: 8 },
  });
  const events = await eventsOf(input);
  expect(events.map(({ number }) => Number(number))).toEqual(events.map((_, index) => index + 1));
  expect(toolEnds(events)).toEqual(
    Array.from({ length: 8 }, (_, n) => ({ failed: false, exitCode: 0, output: `part ${n}\n` })),
  );
  expect(
    said(events)
      .join('')
      .match(/part \d/g),
  ).toEqual(Array.from({ length: 8 }, (_, n) => `part ${n}`));
  expect(await readFile(join(supervised.workspace, 'in-terminal'), 'utf8')).toBe('0\n1\n2\n3\n4\n5\n6\n7\n');
});

test('a terminal is asked for like any use of a tool that executes', async () => {
  const asks = { ...permissionsDefault, execute: 'ask' } as const;
  const input = message('terminal touch in-allowed\nterminal touch in-denied\nsay over', {}, { permissions: asks });
  const first = await run(input);
  expect(first).toMatchObject({ kind: 'permissions', asked: [{ toolKind: 'execute' }] });
  expect(JSON.stringify(first)).toContain('touch in-allowed');
  expect(existsSync(join(supervised.workspace, 'in-allowed'))).toBe(false);
  const ids = (result: AgentTurnResult) =>
    (result.kind === 'permissions' ? result.asked : []).map((one) => one.toolCallId);
  const allowed = ids(first).map((toolCallId) => ({ toolCallId, decision: 'allow' as const }));
  const second = await run({ ...input, decided: allowed });
  const denied = ids(second).map((toolCallId) => ({ toolCallId, decision: 'deny' as const }));
  expect(await run({ ...input, decided: [...allowed, ...denied] })).toMatchObject({ outcome: 'completed', steps: 2 });
  expect(existsSync(join(supervised.workspace, 'in-allowed'))).toBe(true);
  expect(existsSync(join(supervised.workspace, 'in-denied'))).toBe(false);
  expect(toolEnds(await eventsOf(input)).map(({ failed, error }) => [failed, error])).toEqual([
    [false, undefined],
    [true, 'it is not permitted'],
  ]);
});

test('a conversation goes on in the next turn, and what it repeats of it is not told again', async () => {
  const first = message('say my name is Ada');
  const one = await run(first);
  const conversation = one.kind === 'ended' ? one.conversation : null;
  expect(conversation).toMatchObject({ kind: 'custom', turnId: first.turnId });
  const second = message('recall', { conversation });
  await run(second);
  const answer = said(await eventsOf(second));
  expect(answer).toEqual(['say my name is Ada\nrecall\n']);
});

test('one that cannot load it is told what was said before', async () => {
  const lost = message('recall', {
    conversation: { kind: 'custom', command: 'HOME=$PWD/home exec python3 agent.py', id: 'gone', turnId: 'trn_1' },
  });
  const event = (turnId: string, payload: object) => ({ event: { turnId, payload } });
  const listEvents = async () => ({
    complete: true,
    events: [
      event('trn_1', { case: 'messageUser', value: { text: 'remember seven' } }),
      event('trn_1', { case: 'turnStarted', value: {} }),
      event('trn_1', { case: 'messageAgent', value: { text: 'I will.' } }),
    ],
  });
  await createAgentTurns({ ...deps, trace: { listEvents: listEvents as never } }).run(lost, {
    detached: never,
    canceled: never,
  });
  expect(said(await eventsOf(lost)).join('')).toMatch(/User: remember seven.*Agent: I will\./s);
});

/** Cancels a turn of many processes; how long that took. */
async function cancelOne(): Promise<number> {
  for (const name of ['up', 'spawned']) await rm(join(supervised.workspace, name), { force: true });
  const input = message('say begun\nspawn echo $$ > spawned; sleep 600\nwait spawned\nrun touch up; sleep 600');
  const canceled = new AbortController();
  const running = createAgentTurns(deps).run(input, { detached: never, canceled: canceled.signal });
  await expect.poll(() => existsSync(join(supervised.workspace, 'up'))).toBe(true);
  const startedMs = performance.now();
  canceled.abort();
  expect(await running).toMatchObject({ kind: 'ended', outcome: 'canceled' });
  const tookMs = performance.now() - startedMs;
  expect(kinds(await eventsOf(input)).at(-1)).toBe('toolEnded');
  const pid = Number(await readFile(join(supervised.workspace, 'spawned'), 'utf8'));
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  expect(await isGone(input)).toBe(true);
  return tookMs;
}

test('a turn that is canceled ends within two seconds, with all that it had started', async () => {
  // Once a busy machine may be late by itself.
  let tookMs = await cancelOne();
  for (let tries = 1; tries < 3 && tookMs >= 2_000; tries += 1) tookMs = await cancelOne();
  expect(tookMs).toBeLessThan(2_000);
});

test('one that nobody follows any more is ended when its turn is to stop', async () => {
  const input = message('say begun\nhang');
  await runUntilSaid(input, 'begun');
  expect(await run({ ...input, stop: true })).toMatchObject({ outcome: 'canceled' });
  expect(await isGone(input)).toBe(true);
});

const bad: [string, string, RegExp][] = [
  ['dies', 'say a\ndie 3', /exited with 3 before it had answered: it is too much/],
  ['says nothing', 'say a\nhang', /said nothing for 1 seconds/],
  ['floods', 'flood', /a message of the agent is over 262144 bytes/],
  ['prints a line without an end', 'long', /a line of the agent is over 4194304 bytes/],
  ['breaks the protocol', 'garble', /does not speak the protocol/],
];
test.each(bad)(
  'an agent that %s ends its turn with that, and the next message is answered',
  async (_, text, reason) => {
    const input = message(text, {}, { silenceSeconds: text.endsWith('hang') ? 1 : 60 });
    expect(await run(input)).toMatchObject({ kind: 'ended', outcome: 'failed', reason: expect.stringMatching(reason) });
    expect(await isGone(input)).toBe(true);
    expect(await run(message('say well'))).toMatchObject({ outcome: 'completed' });
  },
);

test('an agent that uses tools for ever ends at its limit', async () => {
  const input = message('loop', {}, { limits: { ...turnLimitsDefault, steps: 5 } });
  expect(await run(input)).toMatchObject({ outcome: 'limit_reached', reason: 'steps', steps: 6 });
});

test('an agent whose command is not there says what to install', async () => {
  const result = await run(message('say a', {}, { command: 'exec no-such-agent' }));
  expect(result).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(/was not found: install/) });
});

test('an agent that is gone with its sandbox has ended its turn, with what it had said', async () => {
  const input = message('say the last words\nhang');
  await runUntilSaid(input, 'the last words');
  const attach = async () => ({ ...(await deps.sandboxes.attach(input))!, bootId: 'f'.repeat(32) });
  const turns = createAgentTurns({ ...deps, sandboxes: { attach, verify: async () => true } });
  const result = await turns.run(input, { detached: never, canceled: never });
  expect(result).toMatchObject({ outcome: 'failed', reason: 'the agent was lost with its sandbox' });
  expect(said(await eventsOf(input))).toEqual(['the last words ']);
  await run(message('say well'));
});
