// What a runner needs to do its work.

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Client } from '@temporalio/client';
import type { Readiness } from '@worktrail/runtime/readiness';
import type { PartWatch } from '../host/part-watch.ts';

export interface RunnerCheckDeps {
  engine: PartWatch;
  nats: NatsConnection;
  temporal: Client;
  supervisorPath: string;
}

export function addRunnerChecks(readiness: Readiness, deps: RunnerCheckDeps): void {
  readiness.add('docker', async () => {
    const failure = deps.engine.failure();
    if (failure !== null) throw new Error(failure);
  });
  readiness.add('nats', () => deps.nats.flush());
  readiness.add('temporal', () => deps.temporal.connection.workflowService.getSystemInfo({}));
  readiness.add('supervisor', () => access(deps.supervisorPath, constants.X_OK));
}
