import { randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { auditSubject } from '@worktrail/contract/subjects';
import { Stream } from '@worktrail/proto/event';
import { AuditRecordSchema, SessionScopeSchema } from '@worktrail/proto/trace';
import { createTraceClient } from '@worktrail/runtime/trace-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ended,
  type Fixture,
  newSession,
  openFixture,
  output,
  publisher,
  queued,
  type TestSession,
} from './trace-store-fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture('service');
  await fixture.start();
});

afterAll(() => fixture.close());

type Position = { epoch: bigint; sequence: bigint; fill: bigint };
type Inherited = { sessionId: string; upTo: Position };

function scopeOf(session: TestSession) {
  return create(SessionScopeSchema, session);
}

describe('history', () => {
  test('a reader sees its own writes at once, in cursor order, each once', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    for (let number = 1; number <= 30; number++) {
      const sequence = await publish('session', number, { case: 'sessionBusy', value: { commandId: `cmd_${number}` } });
      const read = () => fixture.trace.listEvents({ scope: scopeOf(session), limit: 100 });
      let page = await read();
      // What is not stored in time is not there, and the page says so.
      while (!page.complete) page = await read();
      expect(page.events.map(({ event }) => Number(event!.number))).toEqual(
        Array.from({ length: number }, (_, i) => i + 1),
      );
      expect(Number(page.events.at(-1)!.cursor!.sequence)).toBe(sequence);
    }
  });

  test('pages follow each other without overlap or hole, by rows and by bytes', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    const producer = newId('command');
    await publish(producer, 1, queued('yes'));
    for (let i = 0; i < 20; i++)
      await publish(producer, i + 2, output('stdout', i * 1000, i * 1000, randomBytes(1000)));
    for (const bounds of [{ limit: 4 }, { limit: 100, bytesMax: 3_000 }, { limit: 1 }]) {
      const numbers: number[] = [];
      let after: { epoch: bigint; sequence: bigint } | undefined;
      for (let pages = 0; ; pages++) {
        expect(pages).toBeLessThan(30);
        const page = await fixture.trace.listEvents({ scope: scopeOf(session), after, ...bounds });
        expect(page.events.length).toBeGreaterThan(0);
        numbers.push(...page.events.map(({ event }) => Number(event!.number)));
        after = page.next;
        if (page.complete) break;
      }
      expect(numbers).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));
      const rest = await fixture.trace.listEvents({ scope: scopeOf(session), after });
      expect(rest).toMatchObject({ events: [], complete: true });
    }
  });

  test('a filter hides events but moves the cursor past them', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    const producer = newId('command');
    await publish(producer, 1, queued('true'));
    await publish(producer, 2, { case: 'commandStarted', value: {} });
    const last = await publish(producer, 3, ended(0, 0, 0));
    const page = await fixture.trace.listEvents({ scope: scopeOf(session), types: ['command.started'] });
    expect(page.events.map(({ event }) => event!.payload.case)).toEqual(['commandStarted']);
    expect(page.complete).toBe(true);
    expect(Number(page.next!.sequence)).toBeGreaterThanOrEqual(last);
    const unknown = fixture.trace.listEvents({ scope: scopeOf(session), types: ['command.exploded'] });
    await expect(unknown).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  test('an event comes back as it was published, binary output included', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    const producer = newId('command');
    const bytes = Uint8Array.from({ length: 512 }, (_, i) => i % 256);
    await publish(producer, 1, queued('quote \' " \\ \n \u{1F600}'));
    await publish(producer, 2, output('stderr', 0, 0, bytes));
    const { events } = await fixture.trace.listEvents({ scope: scopeOf(session) });
    expect(events[0]!.event).toMatchObject({
      payload: { case: 'commandQueued', value: { command: 'quote \' " \\ \n \u{1F600}' } },
    });
    const payload = events[1]!.event!.payload;
    expect(payload.case === 'commandOutput' && Buffer.from(payload.value.bytes)).toEqual(Buffer.from(bytes));
    expect(events[1]!.event!.actor).toMatchObject({ kind: 1, id: 'prn_test' });
  });
});

describe('the history of a fork', () => {
  const idle = { case: 'sessionReady' as const, value: {} };
  const fork = (parent: TestSession): TestSession => ({ ...parent, sessionId: newId('session') });

  async function pages(session: TestSession, inherited: Inherited[], limit: number, from?: Position) {
    const events: { sessionId: string; sequence: number }[] = [];
    for (let after = from; ; ) {
      const page = await fixture.trace.listEvents({
        scope: scopeOf(session),
        inherited,
        limit,
        ...(after && { after }),
      });
      for (const { event, cursor } of page.events)
        events.push({ sessionId: event!.sessionId, sequence: Number(cursor!.sequence) });
      after = page.next!;
      if (page.complete) return events;
      expect(page.events.length).toBeGreaterThan(0);
    }
  }

  test('is one list: what its parent has up to where it was forked, then its own, at any page boundary and from any cursor', async () => {
    const parent = newSession();
    const [own, others] = [fork(parent), fork(parent)];
    const publish = { parent: publisher(fixture.js, parent), own: publisher(fixture.js, own) };
    const expected: { sessionId: string; sequence: number }[] = [];
    for (let number = 1; number <= 5; number++) {
      expected.push({ sessionId: parent.sessionId, sequence: await publish.parent('session', number, idle) });
      await publisher(fixture.js, others)('session', number, idle);
    }
    const { events } = await fixture.trace.listEvents({ scope: scopeOf(parent) });
    const inherited = [{ sessionId: parent.sessionId, upTo: events.at(-1)!.cursor! }];
    expect(await pages(own, inherited, 100)).toEqual(expected);
    for (let number = 1; number <= 4; number++) {
      await publish.parent('session', 5 + number, idle);
      expected.push({ sessionId: own.sessionId, sequence: await publish.own('session', number, idle) });
    }
    for (const limit of [1, 2, 3, 4, 5, 6, 100]) expect(await pages(own, inherited, limit)).toEqual(expected);
    for (const [index, { cursor }] of events.entries())
      expect(await pages(own, inherited, 2, cursor)).toEqual(expected.slice(index + 1));
    const page = await fixture.trace.listEvents({ scope: scopeOf(own), inherited, types: ['session.busy'] });
    expect(page).toMatchObject({ events: [], complete: true });
  });

  test('of a fork goes through all ancestors, and another organization has none of it', async () => {
    const first = newSession();
    const [second, third] = [fork(first), fork(first)];
    const inherited: Inherited[] = [];
    const expected: string[] = [];
    for (const session of [first, second, third]) {
      for (let number = 1; number <= 3; number++) {
        await publisher(fixture.js, session)('session', number, idle);
        expected.push(session.sessionId);
      }
      const { events } = await fixture.trace.listEvents({ scope: scopeOf(session) });
      if (session !== third) inherited.push({ sessionId: session.sessionId, upTo: events.at(-1)!.cursor! });
    }
    for (const limit of [2, 3, 100])
      expect((await pages(third, inherited, limit)).map(({ sessionId }) => sessionId)).toEqual(expected);
    const stranger = { ...third, organizationId: newId('organization') };
    expect(await pages(stranger, inherited, 100)).toEqual([]);
    const tooMany = Array.from({ length: 33 }, () => inherited[0]!);
    const refused = fixture.trace.listEvents({ scope: scopeOf(third), inherited: tooMany });
    await expect(refused).rejects.toMatchObject({ code: Code.InvalidArgument });
  });
});

describe('output', () => {
  test('is exact by offset, by stream and in the order written, over borders that differ from attempt to attempt', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    const producer = newId('command');
    const stdout = randomBytes(5_000);
    const stderr = randomBytes(700);
    const both = Buffer.concat([stdout.subarray(0, 3_000), stderr, stdout.subarray(3_000)]);
    await publish(producer, 1, queued('work'));
    await publish(producer, 2, output('stdout', 0, 0, stdout.subarray(0, 1_000)));
    // A second attempt had cut elsewhere: the same bytes at the same offsets.
    await publish(producer, 3, output('stdout', 500, 500, stdout.subarray(500, 3_000)));
    await publish(producer, 4, output('stderr', 0, 3_000, stderr));
    await publish(producer, 5, output('stdout', 3_000, 3_700, stdout.subarray(3_000)));
    const scope = scopeOf(session);
    const command = { scope, commandId: producer };
    const running = await fixture.trace.readOutput({ ...command, stream: Stream.STDOUT, limit: 100_000 });
    expect(running).toMatchObject({ complete: false, nextOffset: 5_000n });
    await publish(producer, 6, ended(0, 5_000, 700));
    for (const [stream, expected] of [
      [Stream.STDOUT, stdout],
      [Stream.STDERR, stderr],
      [Stream.UNSPECIFIED, both],
    ] as const) {
      for (const limit of [100_000, 777]) {
        const parts: Uint8Array[] = [];
        for (let offset = 0n, complete = false; !complete; ) {
          const part = await fixture.trace.readOutput({ ...command, stream, offset, limit });
          expect(part.bytes.length).toBeLessThanOrEqual(limit);
          expect(part.gaps).toEqual([]);
          parts.push(part.bytes);
          complete = part.complete;
          expect(complete || part.nextOffset > offset).toBe(true);
          offset = part.nextOffset;
        }
        expect(Buffer.concat(parts).equals(expected)).toBe(true);
      }
    }
    const atEnd = await fixture.trace.readOutput({ ...command, stream: Stream.STDOUT, offset: 5_000n, limit: 10 });
    expect(atEnd).toMatchObject({ complete: true, nextOffset: 5_000n });
    expect(atEnd.bytes).toHaveLength(0);
  });

  test('names a range that was not kept and goes on behind it', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    const producer = newId('command');
    await publish(producer, 1, queued('work'));
    await publish(producer, 2, output('stdout', 0, 0, Buffer.from('before')));
    await publish(producer, 3, {
      case: 'gap',
      value: { producer, fromPosition: 6n, toPosition: 1_000_000n, reason: 'host lost' },
    });
    await publish(producer, 4, output('stdout', 1_000_000, 1_000_000, Buffer.from('after')));
    await publish(producer, 5, ended(0, 1_000_005, 0));
    const part = await fixture.trace.readOutput({ scope: scopeOf(session), commandId: producer, limit: 100 });
    expect(Buffer.from(part.bytes).toString()).toBe('beforeafter');
    expect(part).toMatchObject({
      complete: true,
      nextOffset: 1_000_005n,
      gaps: [{ fromOffset: 6n, toOffset: 1_000_000n, reason: 'host lost' }],
    });
  });
});

describe('commands, sessions and marks', () => {
  test('a command is told by its events, and listed in the order asked for', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    const commandIds = [newId('command'), newId('command'), newId('command')].sort();
    for (const id of commandIds) await publish(id, 1, queued(`echo ${id}`));
    await publish(commandIds[1]!, 2, output('stderr', 0, 0, Buffer.from('oops')));
    await publish(commandIds[1]!, 3, ended(3, 0, 4));
    const scope = scopeOf(session);
    const { command } = await fixture.trace.getCommand({ scope, commandId: commandIds[1]! });
    expect(command).toMatchObject({
      commandId: commandIds[1],
      sessionId: session.sessionId,
      queued: { command: `echo ${commandIds[1]}`, timeoutSeconds: 60, origin: 'user' },
      ended: { exitCode: 3, outcome: 1 },
      stderrBytes: 4n,
      stdoutBytes: 0n,
    });
    const running = await fixture.trace.getCommand({ scope, commandId: commandIds[0]! });
    expect(running.command?.ended).toBeUndefined();
    const unknown = await fixture.trace.getCommand({ scope, commandId: newId('command') });
    expect(unknown.command).toBeUndefined();
    const first = await fixture.trace.listCommands({ scope, limit: 2 });
    expect(first.commands.map(({ commandId }) => commandId)).toEqual(commandIds.slice(0, 2));
    expect(first.more).toBe(true);
    const rest = await fixture.trace.listCommands({ scope, limit: 2, afterCommandId: commandIds[1]! });
    expect(rest.commands.map(({ commandId }) => commandId)).toEqual(commandIds.slice(2));
    expect(rest.more).toBe(false);
  });

  test('sessions are listed newest first by project, task, trial and state', async () => {
    const organizationId = newSession().organizationId;
    const sessions = [newSession(organizationId), newSession(organizationId), newSession(organizationId)];
    sessions.sort((a, b) => (a.sessionId < b.sessionId ? -1 : 1));
    for (const [index, session] of sessions.entries()) {
      await publisher(fixture.js, session)('session', 1, {
        case: 'sessionCreated',
        value: { title: `session ${index}`, taskId: index === 0 ? 'tsk_a' : 'tsk_b', trialId: 'trl_a' },
      });
    }
    await publisher(fixture.js, sessions[1]!)('session', 2, { case: 'sessionReady', value: { branch: 'worktrail/x' } });
    await publisher(fixture.js, sessions[1]!)('session', 3, { case: 'sessionBusy', value: {} });
    const ids = sessions.map(({ sessionId }) => sessionId);
    const list = async (filter: object) => (await fixture.trace.listSessions({ organizationId, ...filter })).sessionIds;
    expect(await list({})).toEqual([ids[2], ids[1], ids[0]]);
    expect(await list({ taskId: 'tsk_b' })).toEqual([ids[2], ids[1]]);
    expect(await list({ projectId: sessions[0]!.projectId })).toEqual([ids[0]]);
    expect(await list({ state: 'busy' })).toEqual([ids[1]]);
    expect(await list({ state: 'creating' })).toEqual([ids[2], ids[0]]);
    expect(await list({ beforeSessionId: ids[2] })).toEqual([ids[1], ids[0]]);
    // Its setup commands may run again before it is ready.
    await publisher(fixture.js, sessions[0]!)('session', 2, { case: 'sessionResuming', value: {} });
    await publisher(fixture.js, sessions[0]!)('session', 3, { case: 'sessionRestored', value: {} });
    expect(await list({ state: 'resuming' })).toEqual([ids[0]]);
    expect(await fixture.trace.listSessions({ organizationId, limit: 1 })).toMatchObject({
      sessionIds: [ids[2]],
      more: true,
    });
  });

  test('a producer mark says what is stored of it, and nothing for an unknown one', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    const producer = newId('command');
    const scope = scopeOf(session);
    const nothing = await fixture.trace.getProducerMark({ scope, producer });
    expect(nothing).toMatchObject({ number: 0n, position: 0n, ended: false });
    await publish(producer, 1, queued('x'));
    await publish(producer, 2, output('stdout', 0, 0, Buffer.alloc(10)));
    await publish(producer, 3, output('stderr', 0, 10, Buffer.alloc(4)));
    const sequence = await publish(producer, 4, output('stdout', 10, 14, Buffer.alloc(6)));
    expect(await fixture.trace.getProducerMark({ scope, producer })).toMatchObject({
      number: 4n,
      stdoutOffset: 16n,
      stderrOffset: 4n,
      position: 20n,
      cursor: { sequence: BigInt(sequence) },
      ended: false,
    });
    await publish(producer, 5, ended(0, 16, 4));
    expect(await fixture.trace.getProducerMark({ scope, producer })).toMatchObject({
      number: 5n,
      position: 20n,
      ended: true,
    });
  });

  test('a producer mark counts what was not kept, so that no publisher tells of it again', async () => {
    const session = newSession();
    const publish = publisher(fixture.js, session);
    const producer = newId('command');
    const marked = () => fixture.trace.getProducerMark({ scope: scopeOf(session), producer });
    await publish(producer, 1, queued('x'));
    await publish(producer, 2, output('stderr', 0, 0, Buffer.alloc(4)));
    await publish(producer, 3, output('stdout', 0, 4, Buffer.alloc(6)));
    const range = { fromPosition: 10n, toPosition: 1_000n, reason: 'output_limit' };
    await publish(producer, 4, { case: 'gap', value: { producer, ...range } });
    expect(await marked()).toMatchObject({ number: 4n, stdoutOffset: 996n, stderrOffset: 4n, position: 1_000n });
    await publish(producer, 5, output('stderr', 500, 1_000, Buffer.alloc(8)));
    expect(await marked()).toMatchObject({ number: 5n, stdoutOffset: 500n, stderrOffset: 508n, position: 1_008n });
    await publish(producer, 6, output('stdout', 500, 1_008, Buffer.alloc(2)));
    expect(await marked()).toMatchObject({ number: 6n, stdoutOffset: 502n, stderrOffset: 508n, position: 1_010n });
  });
});

describe('audit', () => {
  test('who changed what is listed newest first, once, for its own organization', async () => {
    const organizationId = newId('organization');
    const ids = ['aud_1', 'aud_2', 'aud_3'];
    for (const id of [...ids, 'aud_2']) {
      const record = create(AuditRecordSchema, {
        id,
        organizationId,
        time: timestampFromMs(1_790_000_000_000),
        actor: { kind: 1, id: 'prn_1' },
        action: 'key.created',
        detailJson: '{"a":1}',
      });
      await fixture.js.publish(auditSubject(organizationId), toBinary(AuditRecordSchema, record));
    }
    const first = await fixture.trace.listAudit({ organizationId, limit: 2 });
    expect(first.records.map(({ id }) => id)).toEqual(['aud_3', 'aud_2']);
    expect(first.records[0]).toMatchObject({ action: 'key.created', detailJson: '{"a":1}', actor: { id: 'prn_1' } });
    expect(first.more).toBe(true);
    const rest = await fixture.trace.listAudit({ organizationId, limit: 2, beforeId: 'aud_2' });
    expect(rest.records.map(({ id }) => id)).toEqual(['aud_1']);
    expect((await fixture.trace.listAudit({ organizationId: newId('organization') })).records).toEqual([]);
  });
});

describe('tenants', () => {
  test('one organization never sees another, by no question', async () => {
    const mine = newSession();
    const publish = publisher(fixture.js, mine);
    const producer = newId('command');
    await publish('session', 1, { case: 'sessionCreated', value: { title: 'mine' } });
    await publish(producer, 1, queued('secret'));
    await publish(producer, 2, output('stdout', 0, 0, Buffer.from('secret')));
    const theirs = { ...mine, organizationId: newId('organization') };
    const scope = scopeOf(theirs);
    expect((await fixture.trace.listEvents({ scope })).events).toEqual([]);
    expect((await fixture.trace.readOutput({ scope, commandId: producer, limit: 100 })).bytes).toHaveLength(0);
    expect((await fixture.trace.getCommand({ scope, commandId: producer })).command).toBeUndefined();
    expect((await fixture.trace.listCommands({ scope })).commands).toEqual([]);
    expect((await fixture.trace.listSessions({ organizationId: theirs.organizationId })).sessionIds).toEqual([]);
    expect((await fixture.trace.getProducerMark({ scope, producer })).number).toBe(0n);
    expect((await fixture.trace.listEvents({ scope: scopeOf(mine) })).events).toHaveLength(3);
  });

  test('a caller without the internal token is refused', async () => {
    const stranger = createTraceClient(fixture.address(), 'another-token-of-more-than-32-characters');
    await expect(stranger.getStatus({})).rejects.toSatisfy(
      (error) => error instanceof ConnectError && error.code === Code.Unauthenticated,
    );
  });
});
