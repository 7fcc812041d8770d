import { setImmediate as tick } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createCommandTurns, LineFull, type TurnQuotas } from './command-turns.ts';

const { signal } = new AbortController();

/** Commands by name; "a1" is of organization "a". */
function line(quotas: Partial<TurnQuotas>) {
  const turns = createCommandTurns({ perOrganizationMax: null, perProjectMax: null, ...quotas });
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const ask = (name: string, projectId = 'project', until = signal) => {
    const asked = turns.wait({ organizationId: name[0]!, projectId: `${name[0]}-${projectId}` }, until);
    return asked.then((end) => {
      begun.push(name);
      ends.set(name, end);
    });
  };
  const end = async (name: string) => {
    ends.get(name)!();
    await tick();
  };
  return { turns, begun, ask, end };
}

test('without a quota every command begins at once', async () => {
  const { turns, begun, ask } = line({});
  await Promise.all(['a1', 'a2', 'a3'].map((name) => ask(name)));
  expect(begun).toEqual(['a1', 'a2', 'a3']);
  expect(turns.waiting()).toBe(0);
});

test("an organization's commands beyond its quota begin in their order, each when one has ended; another's do not wait for them", async () => {
  const { begun, ask, end } = line({ perOrganizationMax: 2 });
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1']) void ask(name);
  await tick();
  expect(begun).toEqual(['a1', 'a2', 'b1']);
  await end('a2');
  await end('a2');
  expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
  await end('a1');
  expect(begun.at(-1)).toBe('a4');
});

test('a project that has all its own does not hold up the other projects of its organization', async () => {
  const { begun, ask, end } = line({ perOrganizationMax: 3, perProjectMax: 1 });
  void ask('a1', 'one');
  void ask('a2', 'one');
  void ask('a3', 'two');
  await tick();
  expect(begun).toEqual(['a1', 'a3']);
  await end('a1');
  expect(begun).toEqual(['a1', 'a3', 'a2']);
});

test('a command that is given up while it waits leaves the line, and takes no turn later', async () => {
  const { turns, begun, ask, end } = line({ perOrganizationMax: 1 });
  await ask('a1');
  const aborter = new AbortController();
  const second = ask('a2', 'project', aborter.signal);
  void ask('a3');
  aborter.abort(new Error('canceled'));
  await expect(second).rejects.toThrow('canceled');
  expect(turns.waiting()).toBe(1);
  await end('a1');
  expect(begun).toEqual(['a1', 'a3']);
});

test('a command that runs already counts, also beyond the quota', async () => {
  const { turns, begun, ask } = line({ perOrganizationMax: 1 });
  const owner = { organizationId: 'a', projectId: 'a-project' };
  const ends = [turns.take(owner), turns.take(owner)];
  void ask('a1');
  ends[0]!();
  await tick();
  expect(begun).toEqual([]);
  ends[1]!();
  await tick();
  expect(begun).toEqual(['a1']);
});

test('a line has a bound, and only its own organization meets it', async () => {
  const { turns, begun, ask } = line({ perOrganizationMax: 1 });
  for (let i = 0; i <= 300; i += 1) ask(`a${i}`).catch(() => undefined);
  await expect(ask('a-last')).rejects.toThrow(LineFull);
  await ask('b1');
  expect(begun).toEqual(['a0', 'b1']);
  expect(turns.waiting()).toBe(300);
});
