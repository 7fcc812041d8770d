// How the recording activities are called: each may take long while NATS is away, and one whose orchestrator was killed is begun anew
// once its beats are missed.

import type { ActivityOptions } from '@temporalio/workflow';

export const recordOptions: ActivityOptions = {
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: '5 seconds',
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
};
