// For the tests of reports: random stories of sessions as events, and each report counted from them one by one.

import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type EventType, eventType } from '@worktrail/contract/event-types';
import { newId } from '@worktrail/contract/ids';
import { ActorKind, CommandOutcome, EventSchema, Stream } from '@worktrail/proto/event';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import fc from 'fast-check';
import { newSession, type TestSession } from '../trace-store-fixture.ts';
import type { ReportQuestion } from './report.ts';

export const startMs = 1_790_000_000_000;
const dayMs = 86_400_000;

interface TestEvent {
  session: TestSession;
  timeMs: number;
  turnId: string;
  commandId: string;
  actorId: string;
  type: EventType;
  // biome-ignore lint/suspicious/noExplicitAny: a payload's fields by name, whichever it is.
  data: any;
  bytes: Uint8Array;
}

export const organization = newId('organization');
export const projects = [newId('project'), newId('project')];
export const sessions = Array.from({ length: 9 }, (_, index) => ({
  ...newSession(index === 8 ? newId('organization') : organization),
  projectId: projects[index % 2]!,
}));
export const taskOf = (session: TestSession) => (session === sessions[0] ? '' : `tsk_${sessions.indexOf(session) % 3}`);

/** Of which one is empty. */
export const labelsOf = (session: TestSession): Record<string, string> =>
  [{}, { "te'am": 'a {b}' }, { "te'am": '' }, { "te'am": 'c', other: 'a {b}' }][sessions.indexOf(session) % 4]!;

const startedMs = fc.integer({ min: 1, max: 40 * dayMs });
const tookMs = fc.integer({ min: -5, max: 3 * dayMs });
const session = fc.constantFrom(...sessions);
const actor = fc.constantFrom('prn_a', 'prn_b', '');
const count = fc.nat(100_000);

type Told = [ms: number, payload: EventPayloadInit, about?: { turnId?: string; commandId?: string }];

const usage = fc
  .record({ model: fc.constantFrom('a/big', "b/'small'", ''), input: count, output: count, part: fc.nat(640) })
  .map(({ model, input, output, part }): Told[] => [
    // Of which any sum is exact.
    [
      0,
      {
        case: 'usage',
        value: { model, inputTokens: BigInt(input), outputTokens: BigInt(output), costUsd: part / 64 },
      },
    ],
  ]);

const command = fc
  .record({
    waited: fc.option(tookMs),
    took: fc.option(tookMs),
    outcome: fc.constantFrom(1, 1, 1, 2, 3, 4, 6),
    exitCode: fc.constantFrom(0, 0, 1, 137, undefined),
    text: fc.constantFrom('npm test', 'x'.repeat(500), "echo 'ü' {1}"),
    sizes: fc.array(fc.nat(50), { maxLength: 3 }),
  })
  .map(({ waited, took, outcome, exitCode, text, sizes }): Told[] => {
    const about = { commandId: newId('command') };
    const told: Told[] = [[0, { case: 'commandQueued', value: { command: text } }, about]];
    if (waited !== null) told.push([waited, { case: 'commandStarted', value: {} }, about]);
    for (const size of sizes) {
      const value = { stream: Stream.STDOUT, bytes: new Uint8Array(size) };
      told.push([10, { case: 'commandOutput', value }, about]);
    }
    if (took !== null) {
      const [startedAt, endedAt] = [timestampFromMs(startMs), timestampFromMs(startMs + took)];
      const value = { outcome, ...(exitCode !== undefined && { exitCode }), startedAt, endedAt, stdoutBytes: 9n };
      told.push([(waited ?? 0) + 20, { case: 'commandEnded', value }, about]);
    }
    return told;
  });

const turn = fc
  .record({ waited: fc.option(tookMs), outcome: fc.constantFrom('completed', 'failed', 'canceled', 'limit_reached') })
  .map(({ waited, outcome }): Told[] => {
    const about = { turnId: newId('turn') };
    const told: Told[] = [[0, { case: 'messageUser', value: { text: 'do it' } }, about]];
    if (waited === null) return told;
    told.push([waited, { case: 'turnStarted', value: {} }, about], [waited + 7, ended(outcome), about]);
    return told;
  });
const ended = (outcome: string): EventPayloadInit => ({ case: 'turnEnded', value: { outcome } });

const life = fc
  .record({ ms: fc.array(fc.integer({ min: 1, max: dayMs }), { minLength: 2, maxLength: 8 }), odd: fc.nat(7) })
  .map(({ ms, odd }): Told[] => {
    const payloads: EventPayloadInit[] = [
      { case: 'sessionCreated', value: { title: 't' } },
      { case: 'sessionReady', value: {} },
      { case: 'sessionHibernated', value: { reason: 'idle' } },
      { case: 'sessionResuming', value: { reason: odd % 2 ? 'host_lost' : 'requested' } },
      odd > 4 ? { case: 'sessionRestored', value: {} } : { case: 'sessionResuming', value: { reason: 'host_lost' } },
      [
        { case: 'sessionResumed' as const, value: {} },
        { case: 'sessionFailed' as const, value: { code: 'x' } },
      ][odd % 2]!,
      { case: 'sessionArchived', value: {} },
    ];
    let at = 0;
    return ms.flatMap((more, index) => {
      at += more;
      return payloads[index] ? [[at, payloads[index]] as Told] : [];
    });
  });

const path = fc.constantFrom('src/a.ts', 'b {c}.md', 'ü');
const file = fc.record({
  path,
  status: fc.constantFrom('added', 'modified'),
  additions: fc.nat(90).map(BigInt),
  deletions: fc.nat(90).map(BigInt),
});
const changed = fc
  .record({ files: fc.array(file, { maxLength: 3 }), source: fc.constantFrom('checkpoint', 'checkpoint', 'api') })
  .map((value): Told[] => [[0, { case: 'filesChanged', value }]]);
const read = fc.record({ path, length: count.map(BigInt) }).map((value): Told[] => [[0, { case: 'fileRead', value }]]);

const proposal = fc
  .record({
    took: tookMs,
    end: fc.constantFrom('proposalApproved', 'proposalRejected', 'proposalClosed'),
    exit: fc.nat(1),
  })
  .map(({ took, end, exit }): Told[] => {
    const proposalId = newId('proposal');
    return [
      [0, { case: 'proposalOpened', value: { proposalId } }],
      [5, { case: 'proposalChecked', value: { proposalId, outcome: 'exited', exitCode: exit } }],
      [took, { case: end, value: { proposalId } } as EventPayloadInit],
      [took + 9, { case: 'proposalMerged', value: { proposalId } }],
    ];
  });
const verdict = fc
  .record({ strategy: fc.constantFrom('careful', "quick'", ''), verdict: fc.constantFrom('passed', 'failed', '') })
  .map((value): Told[] => [[0, { case: 'trialVerdict', value }]]);
const permission = fc
  .record({ took: fc.option(tookMs), decision: fc.constantFrom('allow', 'deny') })
  .map(({ took, decision }): Told[] => {
    const permissionId = newId('event');
    const asked: Told = [0, { case: 'permissionRequested', value: { permissionId } }];
    return took === null ? [asked] : [asked, [took, { case: 'permissionAnswered', value: { permissionId, decision } }]];
  });

const story = (told: fc.Arbitrary<Told[]>) => fc.record({ session, startedMs, actor, told });

function sample(told: fc.Arbitrary<Told[]>, numRuns: number, seed: number) {
  return fc.sample(story(told), { numRuns, seed });
}

const lives = fc.sample(life, { numRuns: sessions.length, seed: 1 });
export const events: readonly TestEvent[] = [
  ...sessions.map((one, index) => {
    const [[ms], ...others] = lives[index]! as [Told, ...Told[]];
    const created: Told = [ms, { case: 'sessionCreated', value: { title: 't', labels: labelsOf(one) } }];
    return { session: one, startedMs: index * dayMs, actor: 'prn_a', told: [created, ...others] };
  }),
  ...sample(usage, 400, 2),
  ...sample(command, 400, 3),
  ...sample(turn, 200, 4),
  ...sample(changed, 200, 5),
  ...sample(read, 200, 6),
  ...sample(proposal, 100, 7),
  ...sample(permission, 100, 8),
  ...sample(verdict, 100, 9),
].flatMap(({ session, startedMs, actor, told }, index) =>
  told.map(([ms, payload, about], inStory) => {
    const timeMs = startMs + Math.max(1, startedMs + ms);
    const { turnId = '', commandId = '' } = about ?? {};
    const event = create(EventSchema, {
      ...{ id: newId('event'), organizationId: session.organizationId, projectId: session.projectId },
      ...{ sessionId: session.sessionId, producer: commandId || 'session', number: BigInt(index * 10 + inStory + 1) },
      ...{ time: timestampFromMs(timeMs), actor: { kind: ActorKind.USER, id: actor } },
      ...{ turnId, commandId, generation: 1, payload },
    });
    const type = eventType(payload.case!);
    return {
      ...{ session, timeMs, turnId, commandId, actorId: actor, type },
      ...{ data: event.payload.value, bytes: toBinary(EventSchema, event) },
    };
  }),
);

type Row = Record<string, unknown>;

/** What the report has, in any order. */
export function recount(name: string, question: ReportQuestion): Row[] {
  return recounts[name]!(question);
}

const inTime = ({ from, to }: ReportQuestion, timeMs: number) =>
  (!from || timeMs >= from.getTime()) && (!to || timeMs < to.getTime());

function asked(question: ReportQuestion, ...types: EventType[]): TestEvent[] {
  return events.filter(
    ({ session, timeMs, type }) => types.includes(type) && ofWhom(question, session) && inTime(question, timeMs),
  );
}

function ofWhom({ organizationId, projectId, label }: ReportQuestion, session: TestSession): boolean {
  const value = label && labelsOf(session)[label.name];
  if (label && (value === undefined || value !== (label.value ?? value))) return false;
  return session.organizationId === organizationId && (projectId === '' || session.projectId === projectId);
}

function startOf(interval: ReportQuestion['interval'], timeMs: number): string {
  const date = new Date(timeMs);
  date.setUTCMinutes(0, 0, 0);
  if (interval !== 'hour') date.setUTCHours(0);
  if (interval === 'week') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  if (interval === 'month') date.setUTCDate(1);
  return date.toISOString();
}

interface Counting<T> {
  key: Record<string, (one: T) => string>;
  timeMs: (one: T) => number;
  row: (some: T[]) => Row;
  also?: (one: T) => string;
}

function rowsOf<T>({ groupBy, interval }: ReportQuestion, ones: T[], { key, timeMs, row, also }: Counting<T>): Row[] {
  const start = (one: T) => (interval === 'none' ? undefined : startOf(interval, timeMs(one)));
  const groups = Map.groupBy(ones, (one) => JSON.stringify([start(one), key[groupBy]!(one), also?.(one)]));
  return [...groups.values()].map((some) => ({
    ...(interval !== 'none' && { start: start(some[0]!) }),
    key: key[groupBy]!(some[0]!),
    ...row(some),
  }));
}

const commonKeys: Record<string, (event: TestEvent) => string> = {
  all: () => '',
  project: ({ session }) => session.projectId,
  task: ({ session }) => taskOf(session),
  session: ({ session }) => session.sessionId,
};
const timeMs = (event: TestEvent) => event.timeMs;
const sum = <T>(some: readonly T[], of: (one: T) => number | bigint) =>
  some.reduce((all, one) => all + Number(of(one)), 0);
const distinct = (some: TestEvent[]) => new Set(some.map(({ session }) => session.sessionId)).size;
const having = (some: TestEvent[], type: EventType, is: (event: TestEvent) => boolean = () => true) =>
  some.filter((event) => event.type === type && is(event)).length;
const succeeded = ({ data }: TestEvent) => data.outcome === CommandOutcome.EXITED && (data.exitCode ?? 0) === 0;
const outcomeName = (outcome: CommandOutcome) => CommandOutcome[outcome]!.toLowerCase();

interface Duration {
  begunMs: number;
  endedMs: number;
  keys: Row;
}

function durations(question: ReportQuestion, ones: Duration[], names: string[], countName: string): Row[] {
  const began = ones.filter(({ begunMs }) => !question.to || begunMs < question.to.getTime());
  return rowsOf(question, began, {
    key: Object.fromEntries(names.map((name) => [name, ({ keys }: Duration) => keys[name] as string])),
    timeMs: ({ begunMs }) => begunMs,
    row: (some) => {
      const ms = some.map(({ begunMs, endedMs }) => Math.max(0, endedMs - begunMs)).toSorted((a, b) => a - b);
      const at = (level: number) => ms[Math.min(ms.length - 1, Math.floor(level * ms.length))]! / 1000;
      return { [countName]: ms.length, medianSeconds: at(0.5), p95Seconds: at(0.95), maxSeconds: ms.at(-1)! / 1000 };
    },
  });
}

const recounts: Record<string, (question: ReportQuestion) => Row[]> = {
  usage: (question) =>
    rowsOf(question, asked(question, 'usage'), {
      timeMs,
      key: {
        ...commonKeys,
        model: ({ data }) => data.model,
        day: (event) => startOf('day', event.timeMs).slice(0, 10),
      },
      row: (some) => ({
        calls: some.length,
        inputTokens: sum(some, ({ data }) => data.inputTokens),
        outputTokens: sum(some, ({ data }) => data.outputTokens),
        cachedInputTokens: 0,
        costUsd: sum(some, ({ data }) => data.costUsd),
      }),
    }),
  sessions: (question) => {
    const begun = ['session.created', 'turn.started', 'command.started'] as const;
    const over = ['session.hibernated', 'session.resumed', 'session.archived', 'session.failed'] as const;
    return rowsOf(question, asked(question, ...begun, ...over), {
      timeMs,
      key: commonKeys,
      row: (some) => ({
        created: having(some, 'session.created'),
        active: distinct(some.filter(({ type }) => begun.some((one) => one === type))),
        hibernated: having(some, 'session.hibernated'),
        resumed: having(some, 'session.resumed'),
        archived: having(some, 'session.archived'),
        failed: having(some, 'session.failed'),
      }),
    });
  },
  outcomes: (question) =>
    rowsOf(question, asked(question, 'turn.ended', 'command.ended'), {
      timeMs,
      key: commonKeys,
      row: (some) => {
        const turns = (outcome: string) => having(some, 'turn.ended', ({ data }) => data.outcome === outcome);
        const isCanceled = ({ data }: TestEvent) => data.outcome === CommandOutcome.CANCELED;
        return {
          turnsCompleted: turns('completed'),
          turnsLimited: turns('limit_reached'),
          turnsCanceled: turns('canceled'),
          turnsFailed: turns('failed'),
          commandsSucceeded: having(some, 'command.ended', succeeded),
          commandsCanceled: having(some, 'command.ended', isCanceled),
          commandsFailed: having(some, 'command.ended', (event) => !succeeded(event) && !isCanceled(event)),
        };
      },
    }),
  tasks: (question) => {
    const isBoth = question.groupBy === 'task_strategy';
    const strategy = ({ data }: TestEvent) => data.strategy as string;
    return rowsOf(question, asked(question, 'trial.verdict'), {
      timeMs,
      key: { ...commonKeys, strategy, task_strategy: commonKeys['task']!, trial: () => '' },
      ...(isBoth && { also: strategy }),
      row: (some) => {
        const judged = (as: string) => having(some, 'trial.verdict', ({ data }) => data.verdict === as);
        return {
          ...{ ofStrategy: isBoth ? strategy(some[0]!) : null, attempts: some.length },
          ...{ passed: judged('passed'), failed: judged('failed'), unjudged: judged('') },
          success: judged('passed') / some.length,
        };
      },
    });
  },
  'command-failures': (question) =>
    rowsOf(
      question,
      asked(question, 'command.ended').filter((event) => !succeeded(event)),
      {
        timeMs,
        key: {
          ...commonKeys,
          kind: ({ data }) =>
            data.outcome === CommandOutcome.EXITED ? `exit ${data.exitCode ?? 0}` : outcomeName(data.outcome),
        },
        row: (some) => ({
          failures: some.length,
          sessions: distinct(some),
          lastAt: new Date(Math.max(...some.map(timeMs))).toISOString(),
        }),
      },
    ),
  'slowest-commands': (question) =>
    asked(question, 'command.ended').flatMap(({ session, commandId, timeMs: ms, data }) => {
      const tookMs =
        Number(data.endedAt.seconds - data.startedAt.seconds) * 1000 +
        (data.endedAt.nanos - data.startedAt.nanos) / 1e6;
      if (tookMs < 0) return [];
      const queued = events.find((event) => event.type === 'command.queued' && event.commandId === commandId)!;
      return [
        {
          ...{ key: commandId, projectId: session.projectId, sessionId: session.sessionId },
          ...{
            endedAt: new Date(ms).toISOString(),
            durationSeconds: tookMs / 1000,
            outcome: outcomeName(data.outcome),
          },
          ...{ exitCode: data.exitCode ?? null, command: queued.data.command.slice(0, 400) },
        },
      ];
    }),
  'output-volume': (question) =>
    rowsOf(question, asked(question, 'command.output', 'command.ended'), {
      timeMs,
      key: commonKeys,
      row: (some) => ({
        outputBytes: sum(some, ({ type, data }) => (type === 'command.output' ? data.bytes.length : 0)),
        commands: having(some, 'command.ended'),
      }),
    }),
  'files-changed': (question) => {
    type Change = { event: TestEvent; file: { path: string; status: string; additions: bigint; deletions: bigint } };
    const changes = asked(question, 'files.changed')
      .filter(({ data }) => data.source === 'checkpoint')
      .flatMap((event) => event.data.files.map((one: Change['file']): Change => ({ event, file: one })));
    const { all: _, ...keys } = commonKeys;
    const ofEvent = Object.fromEntries(
      Object.entries(keys).map(([name, key]) => [name, (change: Change) => key(change.event)]),
    );
    return rowsOf<Change>(question, changes, {
      timeMs: ({ event }) => event.timeMs,
      key: { ...ofEvent, path: (change) => change.file.path, status: (change) => change.file.status },
      ...(question.groupBy === 'path' && { also: ({ event }) => event.session.projectId }),
      row: (some) => ({
        projectId: question.groupBy === 'path' ? some[0]!.event.session.projectId : null,
        changes: some.length,
        sessions: distinct(some.map(({ event }) => event)),
        linesAdded: sum(some, (change) => change.file.additions),
        linesRemoved: sum(some, (change) => change.file.deletions),
      }),
    });
  },
  'files-read': (question) =>
    rowsOf(question, asked(question, 'file.read'), {
      timeMs,
      key: { ...commonKeys, path: ({ data }) => data.path },
      ...(question.groupBy === 'path' && { also: ({ session }) => session.projectId }),
      row: (some) => ({
        projectId: question.groupBy === 'path' ? some[0]!.session.projectId : null,
        reads: some.length,
        sessions: distinct(some),
        bytesRead: sum(some, ({ data }) => data.length),
      }),
    }),
  waits: (question) => {
    const kinds: [string, EventType, EventType[], (event: TestEvent) => string][] = [
      ['session', 'session.created', ['session.ready'], () => ''],
      ['turn', 'message.user', ['turn.started'], ({ turnId }) => turnId],
      ['command', 'command.queued', ['command.started'], ({ commandId }) => commandId],
      ['permission', 'permission.requested', ['permission.answered'], ({ data }) => data.permissionId],
      ['approval', 'proposal.opened', ['proposal.approved', 'proposal.rejected'], ({ data }) => data.proposalId],
    ];
    const { to: _, ...since } = question;
    const found = kinds.flatMap(([kind, begins, ends, thing]) => {
      const of = (event: TestEvent) => `${event.session.sessionId} ${thing(event)}`;
      return asked(since, begins).flatMap((begin) => {
        const end = asked(since, ...ends).filter((event) => of(event) === of(begin));
        if (end.length === 0) return [];
        return [{ begunMs: begin.timeMs, endedMs: Math.min(...end.map(timeMs)), keys: { kind } }];
      });
    });
    return durations(question, found, ['kind'], 'waits');
  },
  recovery: (question) => {
    const { to: _, ...since } = question;
    const ends = ['session.resumed', 'session.hibernated', 'session.archived', 'session.failed'] as const;
    const found = sessions.flatMap((session) => {
      const told = asked(since, 'session.resuming', 'session.restored', ...ends)
        .filter((event) => event.session === session)
        .toSorted((a, b) => a.timeMs - b.timeMs);
      const rounds: Duration[] = [];
      let begun: TestEvent | undefined;
      let restored = false;
      for (const event of told) {
        if (event.type === 'session.resuming') begun ??= event;
        else if (event.type === 'session.restored') restored = true;
        else {
          const how = restored && event.type === 'session.resumed' ? 'restored' : event.type.slice('session.'.length);
          const keys = { outcome: how, project: session.projectId, session: session.sessionId };
          if (begun)
            rounds.push({ begunMs: begun.timeMs, endedMs: event.timeMs, keys: { ...keys, reason: begun.data.reason } });
          begun = undefined;
          restored = false;
        }
      }
      return rounds;
    });
    return durations(question, found, ['reason', 'outcome', 'project', 'session'], 'recoveries');
  },
  approvals: (question) => {
    const ofProposal = ['opened', 'checked', 'approved', 'rejected', 'merged', 'closed'] as const;
    const types = ofProposal.map((what): EventType => `proposal.${what}`);
    return rowsOf(question, asked(question, ...types, 'permission.requested', 'permission.answered'), {
      timeMs,
      key: { ...commonKeys, actor: ({ actorId }) => actorId },
      row: (some) => ({
        opened: having(some, 'proposal.opened'),
        approved: having(some, 'proposal.approved'),
        rejected: having(some, 'proposal.rejected'),
        merged: having(some, 'proposal.merged'),
        closed: having(some, 'proposal.closed'),
        checksFailed: having(some, 'proposal.checked', ({ data }) => data.exitCode !== 0),
        permissionsRequested: having(some, 'permission.requested'),
        permissionsAllowed: having(some, 'permission.answered', ({ data }) => data.decision === 'allow'),
        permissionsDenied: having(some, 'permission.answered', ({ data }) => data.decision === 'deny'),
      }),
    });
  },
};
