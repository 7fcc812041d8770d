// POST /stop-cluster: takes the sandboxes of this runner down in good order, because the whole cluster stops.
//
// Running commands end `canceled` with reason `cluster_stopped`, containers are removed, volumes are kept, and each session's
// workflow is told. Bounded in time: what is not done by then is found by the next start.
//
// No checkpoint is taken here: only a session's workflow can number and remember one, Temporal may be the next to go, and the bundle of a
// large work tree may take longer than a stop may; the volumes are the whole work tree and more, and the next start opens them.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { type SandboxStopped, sandboxStopped, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { isBearer } from '@worktrail/runtime/internal-auth';
import type { Logger } from '@worktrail/runtime/log';
import type { LiveCommands } from '../commands/live-commands.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { SandboxRecord } from '../sessions/session-directory.ts';

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
  const counts: StopCounts = { sandboxes: 0, stopped: 0, commandsCanceled: 0 };
  await Promise.race([stopEach(deps, counts), delay(stopMsMax, undefined, { ref: false })]);
  deps.log.info(counts, 'stopped the sandboxes of this runner');
  return { ...counts };
}

async function stopEach({ sandboxes, commands, ...deps }: ClusterStopDeps, counts: StopCounts): Promise<void> {
  const dead = await sandboxes.attachAll(AbortSignal.timeout(stopMsMax));
  const drained = sandboxes.drain();
  const open = [...sandboxes.attached().map(({ record }) => record), ...dead];
  const live = commands.list();
  counts.sandboxes = open.length;
  counts.commandsCanceled = live.length;
  for (const command of live) command.cancel({ graceMs: commandGraceMs, reason: stopReason });
  await Promise.all(
    open.map(async (record) => {
      const { sessionId } = record;
      try {
        await endsOf(commands, sessionId);
        await sandboxes.stop(sessionId);
        counts.stopped += 1;
        await tellSession(deps.temporal, record);
      } catch (error) {
        deps.log.error({ err: error, sessionId }, 'a sandbox could not be stopped in good order');
      }
    }),
  );
  await drained;
}

/** Waits until the ends of the session's commands are in the history, within a bound. */
async function endsOf(commands: LiveCommands, sessionId: string): Promise<void> {
  const ends = commands.list().filter((command) => command.input.sessionId === sessionId);
  const all = Promise.all(ends.map((command) => command.settled));
  await Promise.race([all, delay(commandsWaitMsMax, undefined, { ref: false })]);
}

async function tellSession(temporal: Client, { sessionId, generation }: SandboxRecord): Promise<void> {
  const message: SandboxStopped = { generation, reason: stopReason };
  await temporal.workflow.getHandle(sessionWorkflowId(sessionId)).signal(sandboxStopped, message);
}

function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
