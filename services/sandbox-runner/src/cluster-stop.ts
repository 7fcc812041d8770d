// POST /stop-cluster: takes the sandboxes of this runner down in good order, because the whole cluster stops.
//
// Running commands end `canceled` with reason `cluster_stopped`, containers are removed, volumes are kept, and each session's
// workflow is told. Bounded in time: what is not done by then is found by the next start.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { type SandboxStopped, sandboxStopped, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { isBearer } from '@worktrail/runtime/internal-auth';
import type { Logger } from '@worktrail/runtime/log';
import type { LiveCommands } from './live-commands.ts';
import type { OpenSandbox, Sandboxes } from './sandboxes.ts';

export const stopPath = '/stop-cluster';
export const stopReason = 'cluster_stopped';
const commandGraceMs = 1_000;
const commandsWaitMsMax = 3_000;
const stopMsMax = 7_000;

export interface ClusterStopDeps {
  sandboxes: Sandboxes;
  commands: LiveCommands;
  temporal: Client;
  token: string;
  log: Logger;
}

export interface StopCounts {
  sandboxes: number;
  stopped: number;
  commandsCanceled: number;
}

/** A listener that takes the request when it is the one for `/stop-cluster`. */
export function createClusterStop(
  deps: ClusterStopDeps,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  let stopping: Promise<StopCounts> | undefined;
  return (request, response) => {
    if (request.url !== stopPath) return false;
    if (request.method !== 'POST') respond(response, 405, { error: 'POST only' });
    else if (!isBearer(request.headers.authorization, deps.token))
      respond(response, 401, { error: 'the internal token is missing or wrong' });
    else {
      stopping ??= stopAll(deps);
      stopping.then(
        (counts) => respond(response, 200, counts),
        (error: unknown) => {
          deps.log.error({ err: error }, 'the sandboxes could not be stopped');
          respond(response, 500, { error: 'the sandboxes could not be stopped' });
        },
      );
    }
    return true;
  };
}

async function stopAll(deps: ClusterStopDeps): Promise<StopCounts> {
  const { sandboxes, commands, log } = deps;
  const bound = AbortSignal.timeout(stopMsMax);
  await sandboxes.attachAll(bound);
  sandboxes.drain();
  const open = sandboxes.attached();
  const live = commands.list();
  for (const command of live) command.cancel({ graceMs: commandGraceMs, reason: stopReason });
  const counts: StopCounts = { sandboxes: open.length, stopped: 0, commandsCanceled: live.length };
  const all = Promise.all(
    open.map(async (sandbox) => {
      try {
        await stopOne(deps, sandbox);
        counts.stopped += 1;
      } catch (error) {
        log.error({ err: error, sessionId: sandbox.record.sessionId }, 'a sandbox could not be stopped');
      }
    }),
  );
  await Promise.race([all, delay(stopMsMax, undefined, { ref: false })]);
  log.info(counts, 'stopped the sandboxes of this runner');
  return { ...counts };
}

async function stopOne(deps: ClusterStopDeps, { record }: OpenSandbox): Promise<void> {
  const { sessionId, generation } = record;
  const ends = deps.commands.list().filter((command) => command.input.sessionId === sessionId);
  await Promise.race([
    Promise.all(ends.map((command) => command.settled)),
    delay(commandsWaitMsMax, undefined, { ref: false }),
  ]);
  await deps.sandboxes.stop(sessionId);
  const message: SandboxStopped = { generation, reason: stopReason };
  await deps.temporal.workflow.getHandle(sessionWorkflowId(sessionId)).signal(sandboxStopped, message);
}

function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
