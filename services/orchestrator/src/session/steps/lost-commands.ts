// How the commands of a lost host ended is written down by the orchestrator itself.

import { proxyActivities } from '@temporalio/workflow';
import type { RecordActivities } from '../../record-activities.ts';
import { recordOptions } from '../../record-options.ts';
import { now } from '../../workflow-clock.ts';
import { lostCommandsEnded } from '../host-loss.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';

const { endLostCommands: end } = proxyActivities<RecordActivities>(recordOptions);

export function endLostCommands({ state, background }: SessionRun): void {
  const commands = state.commands.filter((command) => command.state === 'lost').map(({ spec }) => spec);
  background.begin('endingLost', async () => {
    const ends = await end({ ref: sandboxRef(state), commands, reason: 'the host was lost', time: now() });
    lostCommandsEnded(state, ends, now());
  });
}
