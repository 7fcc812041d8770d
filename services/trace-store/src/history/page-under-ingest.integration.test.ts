// Pages that are taken while events come: what one says to have looked at is all that there is up to there, so that a live tail that begins
// behind it has the rest, and nothing twice.

import { create } from '@bufbuild/protobuf';
import { newId } from '@worktrail/contract/ids';
import { SessionScopeSchema } from '@worktrail/proto/trace';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventBytes, type Fixture, newSession, openFixture, output, type TestSession } from '../trace-store-fixture.ts';
import { eventSubject } from '@worktrail/contract/subjects';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture('under-ingest');
  await fixture.start();
});

afterAll(() => fixture.close());

const eventsMax = 3_000;
const burst = 40;

/** Sequences in the order of the stream. */
async function publishAll(session: TestSession, onAcked: (sequence: number) => void): Promise<number[]> {
  const producers = [newId('command'), newId('command')];
  const sequences: number[] = [];
  for (let number = 1; number <= eventsMax / producers.length; number += burst) {
    const numbers = Array.from(
      { length: Math.min(burst, eventsMax / producers.length - number + 1) },
      (_, i) => number + i,
    );
    const acks = numbers.flatMap((each) =>
      producers.map((producer) => {
        const data = eventBytes(session, producer, each, output('stdout', each * 10, each * 10, Buffer.from('x')));
        return fixture.js.publish(eventSubject(session, producer), data, { timeout: 120_000 });
      }),
    );
    for (const { seq } of await Promise.all(acks)) sequences.push(seq);
    onAcked(Math.max(...sequences));
  }
  return sequences.toSorted((a, b) => a - b);
}

test('every page ends where all before it was given, and a complete one behind all that was told to be published', async () => {
  const session = newSession();
  const others = [newSession(), newSession(session.organizationId)];
  let acked = 0;
  let isPublishing = true;
  const published = publishAll(session, (sequence) => {
    acked = sequence;
  }).finally(() => {
    isPublishing = false;
  });
  const noise = others.map((other) => publishAll(other, () => {}));
  const scope = create(SessionScopeSchema, session);

  const seen: number[] = [];
  const ends: { next: number; seen: number }[] = [];
  let after: { epoch: bigint; sequence: bigint; fill: bigint } | undefined;
  for (let isLast = false, asked = 0; !isLast; asked++) {
    isLast = !isPublishing;
    const ackedBefore = acked;
    // Every third one is of what is stored at the moment.
    const noBarrier = asked % 3 === 2 && !isLast;
    const page = await fixture.trace.listEvents({ scope, limit: 97, noBarrier, ...(after && { after }) });
    seen.push(...page.events.map(({ cursor }) => Number(cursor!.sequence)));
    const next = Number(page.next!.sequence);
    ends.push({ next, seen: seen.length });
    if (page.complete && !noBarrier) expect(next).toBeGreaterThanOrEqual(ackedBefore);
    if (!page.complete) isLast = false;
    after = page.next;
  }
  await Promise.all(noise);
  const all = await published;
  expect(seen).toEqual(all);
  for (const end of ends) expect(all.filter((sequence) => sequence <= end.next)).toHaveLength(end.seen);
  expect(ends.length).toBeGreaterThan(eventsMax / 97);
});
