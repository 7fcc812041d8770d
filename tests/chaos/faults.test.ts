import { describe, expect, test } from 'vitest';
import { allowedOutcomes, type Fault, faultKinds, faultName, planRounds, PROCESSES, type RoundPlan } from './faults.ts';

const scope = { only: [], ownEngine: true, downMs: 1_000 };
const kinds = faultKinds(scope);

function plans(seed: string, count: number): RoundPlan[] {
  return planRounds(seed, kinds).take(count).toArray();
}

describe('the plan of a run', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(plans('a', 30)).toEqual(plans('a', 30));
    expect(plans('a', 30)).not.toEqual(plans('b', 30));
  });

  test('has every kind of fault before any comes again', () => {
    for (const seed of ['a', 'b', 'c']) {
      const faults = plans(seed, kinds.length).flatMap((plan) => plan.faults.map(faultName));
      expect(new Set(faults.slice(0, kinds.length))).toEqual(new Set(kinds.map(faultName)));
    }
  });

  test('has pairs, of two different parts, and none with what takes everything down', () => {
    const pairs = plans('a', 200).filter((plan) => plan.faults.length === 2);
    expect(pairs.length).toBeGreaterThan(20);
    for (const { faults } of pairs) {
      const components = faults.map(({ component }) => component);
      expect(new Set(components).size).toBe(2);
      expect(components).not.toContain('machine');
      expect(components).not.toContain('cluster');
      expect(components).not.toContain('runner');
    }
  });

  test('hits sessions while they are made, at work and archived; a sandbox, or the runner of all, only at work', () => {
    const planned = plans('a', 200);
    const phases = (list: RoundPlan[]) => new Set(list.map(({ phase }) => phase));
    const withSandbox = planned.filter(({ faults }) =>
      faults.some(({ component }) => component === 'sandbox' || component === 'runner'),
    );
    expect(phases(planned)).toEqual(new Set(['creating', 'running', 'archiving']));
    expect(phases(withSandbox)).toEqual(new Set(['running']));
  });

  test('takes components, and single faults, when told so', () => {
    const named = faultKinds({ ...scope, only: ['nats', 'kill gateway'] }).map(faultName);
    expect(named.toSorted()).toEqual(['cut nats', 'kill gateway', 'kill nats', 'pause nats']);
    expect(faultKinds({ ...scope, only: ['nothing'] })).toEqual([]);
  });

  test('never kills or pauses an engine that is not its own', () => {
    const others = faultKinds({ ...scope, ownEngine: false });
    expect(others.filter(({ component }) => component === 'dockerd').map(faultName)).toEqual(['cut dockerd']);
    expect(others.map(({ component }) => component)).not.toContain('machine');
  });
});

describe('how a command may end', () => {
  const plan = (...faults: Partial<Fault>[]): RoundPlan => ({
    number: 1,
    seed: '1',
    phase: 'running',
    triggerShare: 0.5,
    sandboxIndex: 1,
    withGit: true,
    withTurns: true,
    faults: faults.map((fault) => ({
      action: 'kill',
      component: 'nats',
      liveRestore: null,
      lastMs: 0,
      delayMs: 0,
      ...fault,
    })),
  });

  test('by nothing but its own exit, whatever is done to the processes around it', () => {
    for (const component of PROCESSES) {
      for (const action of ['kill', 'pause', 'cut'] as const) {
        expect(allowedOutcomes(plan({ action, component }), 1)).toEqual(['exited']);
      }
    }
    expect(allowedOutcomes(plan({ component: 'cluster' }), 1)).toEqual(['exited']);
  });

  test('with its sandbox, where that was killed, and only there', () => {
    expect(allowedOutcomes(plan({ component: 'sandbox' }), 1)).toContain('sandbox_lost');
    expect(allowedOutcomes(plan({ component: 'sandbox' }), 0)).toEqual(['exited']);
    expect(allowedOutcomes(plan({}, { component: 'sandbox' }), 1)).toContain('sandbox_lost');
  });

  test('with its host, where that was lost', () => {
    const outcomes = allowedOutcomes(plan({ action: 'lose', component: 'runner' }), 0);
    expect(outcomes).toEqual(['exited', 'host_lost']);
  });

  test('with its engine, only where the engine does not restore what runs', () => {
    expect(allowedOutcomes(plan({ component: 'dockerd', liveRestore: true }), 0)).toEqual(['exited']);
    expect(allowedOutcomes(plan({ component: 'dockerd', liveRestore: false }), 0)).toContain('sandbox_lost');
    expect(allowedOutcomes(plan({ component: 'dockerd', action: 'pause' }), 0)).toEqual(['exited']);
    expect(allowedOutcomes(plan({ component: 'machine', liveRestore: true }), 0)).toContain('sandbox_lost');
  });
});
