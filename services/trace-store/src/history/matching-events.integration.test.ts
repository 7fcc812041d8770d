// What webhooks are told of: each event that is stored after a position once, by type, also after a restart, and where one was filled in.

import { newId } from '@worktrail/contract/ids';
import type { MatchedEvent, PartitionPositionSchema } from '@worktrail/proto/trace';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ended, type Fixture, newSession, openFixture, publisher, queued } from '../trace-store-fixture.ts';

let fixture: Fixture;
const organizationId = newId('organization');
const sessions = [newSession(organizationId), newSession(organizationId)] as const;

beforeAll(async () => {
  fixture = await openFixture('matching');
  await fixture.start();
});
afterAll(() => fixture.close());

type Position = MessageInitShape<typeof PartitionPositionSchema>[];
const types = ['command.ended', 'gap'];

/** Everything after a position by pages of two, once the store has all that was published. */
async function matchesAfter(after: Position): Promise<{ found: MatchedEvent[]; next: Position }> {
  await fixture.trace.listSessions({ organizationId, limit: 1 });
  const found: MatchedEvent[] = [];
  for (let next = after; ; ) {
    const page = await fixture.trace.matchEvents({ organizationId, types, after: next, limit: 2 });
    expect(page.events.length).toBeLessThanOrEqual(2);
    found.push(...page.events);
    next = page.next;
    if (page.events.length === 0) return { found, next };
  }
}

test('each event of the types that is stored after a position is told once, in order, and of no other organization', async () => {
  const others = newSession();
  const present = await matchesAfter([]);
  expect(present.found).toEqual([]);
  const commands = Array.from({ length: 5 }, () => newId('command'));
  for (const [index, id] of commands.entries()) {
    const session = sessions[index % 2]!;
    await publisher(fixture.js, session)(id, 1, queued('true'));
    await publisher(fixture.js, session)(id, 2, ended(0, 0, 0));
    await publisher(fixture.js, others)(id, 1, ended(0, 0, 0));
  }
  const first = await matchesAfter(present.next);
  expect(first.found).toHaveLength(5);
  expect(first.found.map(({ scope }) => scope!.sessionId)).toEqual(
    commands.map((_, index) => sessions[index % 2]!.sessionId),
  );
  const sequences = first.found.map(({ cursor }) => Number(cursor!.sequence));
  expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
  const { projectId } = sessions[0];
  const ofProject = await fixture.trace.matchEvents({
    organizationId,
    projectId,
    types,
    after: present.next,
    limit: 9,
  });
  expect(ofProject.events).toHaveLength(3);

  await fixture.start();
  expect((await matchesAfter(first.next)).found).toEqual([]);
  // A hole: its filling stands behind what was stored before.
  const hole = newId('command');
  await publisher(fixture.js, sessions[0])(hole, 1, queued('true'));
  await publisher(fixture.js, sessions[0])(hole, 3, ended(0, 0, 0));
  const filled = await matchesAfter(first.next);
  expect(filled.found.map(({ type }) => type)).toEqual(['gap', 'command.ended']);
  expect((await matchesAfter(filled.next)).found).toEqual([]);
});

test('a question without types, or with one that there is not, is refused', async () => {
  await expect(fixture.trace.matchEvents({ organizationId, types: [] })).rejects.toThrow(/types: at least one/);
  await expect(fixture.trace.matchEvents({ organizationId, types: ['x'] })).rejects.toThrow(/types: "x" is no event/);
});
