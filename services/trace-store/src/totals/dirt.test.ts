import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addDay, addDirt, addOrganization, addSession, type Dirt, entriesMax, isClean, noDirt } from './dirt.ts';

const id = fc.constantFrom('a', 'b', 'c');
const change = fc.oneof(
  fc.record({ organizationId: id, sessionId: id }).map((session) => (dirt: Dirt) => addSession(dirt, session)),
  fc.record({ organizationId: id, day: id }).map((day) => (dirt: Dirt) => addDay(dirt, day)),
  id.map((organizationId) => (dirt: Dirt) => addOrganization(dirt, organizationId)),
  fc.tuple(fc.nat(3), fc.nat(9)).map(([partition, sequence]) => (dirt: Dirt) => {
    dirt.positions.set(partition, { epoch: 1, sequence });
  }),
  fc.nat(3).map((partition) => (dirt: Dirt) => void dirt.unknown.add(partition)),
);

test('what was not counted and what came since are all that is to be counted', () => {
  fc.assert(
    fc.property(fc.array(change), fc.array(change), (before, after) => {
      const made = (changes: typeof before) => {
        const dirt = noDirt();
        for (const apply of changes) apply(dirt);
        return dirt;
      };
      const together = addDirt(made(before), made(after));
      expect(together).toEqual(made([...before, ...after]));
      expect(isClean(together)).toBe(before.length + after.length === 0);
    }),
  );
});

test('of too many sessions their organizations are counted, and it does not grow', () => {
  const dirt = noDirt();
  for (let number = 0; number < 3 * entriesMax; number++) {
    addSession(dirt, { organizationId: `org_${number % 2}`, sessionId: `ses_${number}` });
    expect(dirt.sessions.size).toBeLessThanOrEqual(entriesMax);
  }
  expect([...dirt.organizations].toSorted()).toEqual(['org_0', 'org_1']);
  expect(dirt.sessions.size).toBe(0);
});
