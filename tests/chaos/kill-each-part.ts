// One kill of each part, on a cluster of its own, by the driver of `npm run chaos`: nothing is lost, doubled, stuck or left. In two
// files, so that both halves run at once.

import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Driver, startDriver } from './driver.ts';
import { type Component, faultKinds, faultName, type RoundPlan } from './faults.ts';
import { canHaveOwnEngine } from './own-engine.ts';

/** What a change of files, a fork and a merge go through. The fault suite does them beside every fault. */
const WITH_GIT: readonly Component[] = ['orchestrator', 'sandbox-runner', 'nats', 'cluster'];
const OWN_PROCESSES: readonly Component[] = ['gateway', 'orchestrator', 'sandbox-runner', 'trace-store', 'sandbox'];

/** `services`: what is Worktrail's own. `foundations`: what it stands on, and everything at once. */
export function testKills(half: 'services' | 'foundations'): void {
  const ownEngine = canHaveOwnEngine();
  const kills = faultKinds({ only: [], ownEngine, downMs: 0 }).filter(
    ({ action, component }) =>
      action === 'kill' && component !== 'machine' && OWN_PROCESSES.includes(component) === (half === 'services'),
  );
  let scratch: Scratch;
  let driver: Driver;

  beforeAll(async () => {
    scratch = await makeScratch('chaos');
    driver = await startDriver({ directory: scratch.path, ownEngine, paceMs: 2_000, note: () => undefined });
  });

  afterAll(async () => {
    await driver.close();
    await scratch.remove();
  });

  test.each(kills.map((kind, index) => [faultName(kind), kind, index] as const))(
    'after %s every command ends once, with every byte it printed, and every reader saw the same history',
    async (name, kind, index) => {
      const plan: RoundPlan = {
        number: index + 1,
        seed: `each/${name}`,
        phase: 'running',
        triggerShare: 0.3,
        faults: [{ ...kind, delayMs: 0 }],
        sandboxIndex: 0,
        withGit: WITH_GIT.includes(kind.component),
        // kill-in-turns.e2e.test.ts
        withTurns: false,
      };
      const { violations, bytes } = await driver.run(plan);
      expect(violations).toEqual([]);
      expect(bytes).toBeGreaterThan(0);
    },
    600_000,
  );

  test('when it has stopped, no container, process or directory of a session is left', async () => {
    expect(await driver.close()).toEqual([]);
  });
}
