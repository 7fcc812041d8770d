// How the commands of a lost host ended is written down by the orchestrator itself.

import { proxyActivities } from '@temporalio/workflow';
import type { RecordActivities } from '../../record-activities.ts';
import { now } from '../../workflow-clock.ts';
import { lostCommandsEnded } from '../host-loss.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';

const { endLostCommands: end } = proxyActivities<RecordActivities>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
});

export function endLostCommands({ state, background }: SessionRun): void {
  const commands = state.commands.filter((command) => command.state === 'lost').map(({ spec }) => spec);
  background.begin('endingLost', async () => {
    const ends = await end({ ref: sandboxRef(state), commands, reason: 'the host was lost', time: now() });
    lostCommandsEnded(state, ends, now());
  });
}
