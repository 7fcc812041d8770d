// Events as a busy organization makes them, as many as are asked for: 300 sessions at a time, each a turn of an agent with messages, tools,
// commands and their output, and one session that never ends. The same number gives the same events but for their ids.
//
// Output is of lines of this repository's own sources and documents, so that it has words as real output has: about 1,000 bytes of it for
// each event.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { idFrom } from '@worktrail/contract/ids';
import { eventSubject, partitionOf, sessionProducer } from '@worktrail/contract/subjects';
import { ActorKind, CommandOutcome, EventSchema, Stream } from '@worktrail/proto/event';

type Payload = NonNullable<MessageInitShape<typeof EventSchema>['payload']>;

export interface BenchEvent {
  partition: number;
  subject: string;
  data: Uint8Array;
  /** Of output. */
  outputBytes: number;
}

export interface TraceData {
  /** The organization that has most of it, and what is in it. */
  organizationId: string;
  projectId: string;
  /** Of the session that never ends. */
  longSession: { sessionId: string; partition: number };
  next(): BenchEvent;
}

interface Session {
  organizationId: string;
  projectId: string;
  sessionId: string;
  partition: number;
  events: Iterator<Made>;
}

interface Made {
  producer: string;
  number: number;
  turnId?: string;
  actor?: { kind: ActorKind; id: string };
  payload: Payload;
}

const sessionsAtOnce = 300;
const longSessionShare = 0.1;
const organizations = 8;
const firstShare = 0.6;
const projectsOfEach = 12;
const startMs = Date.parse('2026-10-01T00:00:00Z');
const outputsOfCommand = 6;
const outputLinesMax = 75;
const tools = ['run_command', 'read_file', 'edit_file', 'write_file', 'search_text'];
const commands = [
  'npm test',
  'git status',
  'npm run build',
  'pytest -x',
  'ls -la',
  'make',
  'cargo build',
  'go test ./...',
];
const models = ['openai/one', 'anthropic/two', 'local/three'];

export function createTraceData(partitions: number, msPerEvent: number): TraceData {
  const random = createRandom(12_345);
  const below = (count: number) => Math.floor(random() * count);
  const of = <T>(values: readonly T[]): T => values[below(values.length)]!;
  const lines = readLines(random);
  let nowMs = startMs;
  const id = (kind: Parameters<typeof idFrom>[0]) =>
    idFrom(
      kind,
      nowMs,
      Uint8Array.from({ length: 10 }, () => below(256)),
    );
  const sentence = () => Array.from({ length: 3 }, () => of(lines).trim()).join(' ');
  const owners = Array.from({ length: organizations }, () => ({
    organizationId: id('organization'),
    projectIds: Array.from({ length: projectsOfEach }, () => id('project')),
    tasks: Array.from({ length: 50 }, () => ({ taskId: id('task'), trialId: id('trial') })),
  }));

  function output(): Buffer {
    const text = Array.from({ length: 1 + below(outputLinesMax) }, () => {
      const seen = random();
      return `${of(lines)}${seen < 0.4 ? ` ${below(1e6)}ms` : ''}${seen < 0.03 ? ` ${below(2 ** 30).toString(36)}` : ''}`;
    });
    return Buffer.from(`${text.join('\n')}\n`);
  }

  function* commandOf(turnId: string): Generator<Made> {
    const producer = id('command');
    const made = (number: number, payload: Payload) => ({ producer, number, turnId, payload });
    const origin = { cwd: '', timeoutSeconds: 600, background: false, origin: 'agent' };
    yield made(1, { case: 'commandQueued', value: { command: of(commands), ...origin } });
    yield made(2, { case: 'commandStarted', value: {} });
    const offsets = { [Stream.STDOUT]: 0, [Stream.STDERR]: 0 };
    for (let index = 0; index < outputsOfCommand; index++) {
      const stream = index % 4 === 3 ? Stream.STDERR : Stream.STDOUT;
      const bytes = output();
      const offset = offsets[stream];
      const position = offsets[Stream.STDOUT] + offsets[Stream.STDERR];
      offsets[stream] += bytes.length;
      const value = { stream, offset: BigInt(offset), position: BigInt(position), bytes };
      yield made(3 + index, { case: 'commandOutput', value });
    }
    const durationMs = Math.floor(50 * Math.exp(random() * 6));
    yield made(3 + outputsOfCommand, {
      case: 'commandEnded',
      value: {
        outcome: random() < 0.97 ? CommandOutcome.EXITED : CommandOutcome.TIMED_OUT,
        exitCode: random() < 0.15 ? 1 + below(3) : 0,
        stdoutBytes: BigInt(offsets[Stream.STDOUT]),
        stderrBytes: BigInt(offsets[Stream.STDERR]),
        userCpuMicros: BigInt(durationMs * 900),
        maxRssKilobytes: BigInt(below(300_000)),
        startedAt: timestampFromMs(Math.floor(nowMs)),
        endedAt: timestampFromMs(Math.floor(nowMs) + durationMs),
      },
    });
  }

  function* step(turnId: string, number: number, ofSession: (payload: Payload) => Made): Generator<Made> {
    const producer = `${turnId}-${number}`;
    const model = of(models);
    const actor = { kind: ActorKind.AGENT, id: model };
    const inputTokens = 2_000 + below(20_000);
    const usage = {
      model,
      inputTokens: BigInt(inputTokens),
      outputTokens: BigInt(50 + below(800)),
      costUsd: inputTokens / 1e6,
    };
    const answer = { messageId: producer, text: sentence(), attempt: 1, finish: 'tool_calls', usage };
    yield { producer, number: 1, turnId, actor, payload: { case: 'messageAgent', value: answer } };
    yield { producer, number: 2, turnId, payload: { case: 'usage', value: usage } };
    const tool = of(tools);
    const call = { toolCallId: `${producer}-1`, tool, inputJson: JSON.stringify({ command: of(commands) }) };
    yield { ...ofSession({ case: 'toolStarted', value: call }), turnId };
    yield* commandOf(turnId);
    const path = () => `src/directory${below(40)}/file${below(300)}.ts`;
    if (random() < 0.25) {
      const value = { path: path(), length: BigInt(below(9_000)), source: 'tool' };
      yield { ...ofSession({ case: 'fileRead', value }), turnId };
    }
    if (random() < 0.25) {
      const file = { path: path(), status: 'modified', additions: BigInt(below(80)), deletions: BigInt(below(30)) };
      yield { ...ofSession({ case: 'filesChanged', value: { files: [file], source: 'tool' } }), turnId };
    }
    const result = { toolCallId: call.toolCallId, failed: random() < 0.1, outputJson: '{"exitCode":0}' };
    yield { ...ofSession({ case: 'toolEnded', value: result }), turnId };
  }

  function* sessionOf(tasks: (typeof owners)[number]['tasks'], steps: number): Generator<Made> {
    let number = 0;
    const own = (payload: Payload): Made => ({ producer: sessionProducer, number: ++number, payload });
    const task = random() < 0.6 ? of(tasks) : { taskId: '', trialId: '' };
    const labels = { strategy: of(['direct', 'plan', 'tests-first']) };
    yield own({
      case: 'sessionCreated',
      value: { title: sentence().slice(0, 60), branch: 'worktrail/x', ...task, labels },
    });
    yield own({ case: 'sessionReady', value: { branch: 'worktrail/x' } });
    const turnId = id('turn');
    const user = { kind: ActorKind.USER, id: `prn_${below(40)}` };
    const message = { messageId: turnId, text: sentence() };
    yield { ...own({ case: 'messageUser', value: message }), turnId, actor: user };
    yield { ...own({ case: 'turnStarted', value: { agent: of(models) } }), turnId };
    for (let index = 1; index <= steps; index++) yield* step(turnId, index, own);
    const usage = { steps, inputTokens: 100_000, outputTokens: 4_000, costUsd: 0.1 };
    const outcome = random() < 0.8 ? 'completed' : 'failed';
    yield { ...own({ case: 'turnEnded', value: { outcome, usage } }), turnId };
    yield own({ case: 'sessionHibernated', value: { keptIn: 'volume' } });
  }

  function open(owner: (typeof owners)[number], steps: number): Session {
    const sessionId = id('session');
    const { organizationId, projectIds, tasks } = owner;
    const partition = partitionOf(sessionId, partitions);
    return { organizationId, projectId: of(projectIds), sessionId, partition, events: sessionOf(tasks, steps) };
  }

  const openAny = () => open(random() < firstShare ? owners[0]! : of(owners), 7);
  const long = open(owners[0]!, Number.MAX_SAFE_INTEGER);
  const live = Array.from({ length: sessionsAtOnce }, openAny);

  function next(): BenchEvent {
    nowMs += msPerEvent;
    const place = random() < longSessionShare ? undefined : below(sessionsAtOnce);
    let session = place === undefined ? long : live[place]!;
    let made = session.events.next();
    if (made.done) {
      session = live[place!] = openAny();
      made = session.events.next();
    }
    return eventOf(session, made.value as Made);
  }

  function eventOf(session: Session, { producer, number, turnId = '', actor, payload }: Made): BenchEvent {
    const { organizationId, projectId, sessionId, partition } = session;
    const event = create(EventSchema, {
      ...{ id: id('event'), organizationId, projectId, sessionId, producer, number: BigInt(number), turnId, payload },
      time: timestampFromMs(Math.floor(nowMs)),
      actor: actor ?? { kind: ActorKind.SYSTEM, id: 'sandbox-runner' },
      commandId: producer.startsWith('cmd_') ? producer : '',
      generation: 1,
    });
    const outputBytes = event.payload.case === 'commandOutput' ? event.payload.value.bytes.length : 0;
    const data = toBinary(EventSchema, event);
    return { partition, subject: eventSubject({ partition, organizationId, sessionId }, producer), data, outputBytes };
  }

  const { organizationId, projectId, sessionId, partition } = long;
  return { organizationId, projectId, longSession: { sessionId, partition }, next };
}

/** The same numbers for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function readLines(random: () => number): string[] {
  const root = join(import.meta.dirname, '../..');
  const files = execFileSync('git', ['-C', root, 'ls-files', '*.ts', '*.md'], { encoding: 'utf8' }).trim().split('\n');
  return files
    .flatMap((file) => readFileSync(join(root, file), 'utf8').split('\n'))
    .map((line) => line.slice(0, 160))
    .filter((line) => line.trim().length > 10 && random() < 0.4);
}
