// What agents in the sandbox had begun is ended by the orchestrator itself where their host has not said how their turn ended.

import { proxyActivities } from '@temporalio/workflow';
import type { RecordActivities } from '../../record-activities.ts';
import { recordOptions } from '../../record-options.ts';
import { now } from '../../workflow-clock.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';

const { endLeftAgents: end } = proxyActivities<RecordActivities>(recordOptions);

export function endLeftAgents({ state, background }: SessionRun): void {
  const agents = [...state.leftAgents];
  background.begin('endingLeft', async () => {
    await end({ ref: sandboxRef(state), agents, time: now() });
    state.leftAgents = state.leftAgents.filter(({ turnId }) => !agents.some((one) => one.turnId === turnId));
  });
}
