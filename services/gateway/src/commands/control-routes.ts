// What is done to a command that runs: input, signals, cancel.

import { z } from '@hono/zod-openapi';
import { WorktrailError } from '@worktrail/contract/errors';
import { limits } from '@worktrail/contract/limits';
import {
  type CancelCommandRequest,
  cancelCommand,
  describeSession,
  sessionWorkflowId,
} from '@worktrail/contract/session-messages';
import type { SessionDocument } from '@worktrail/contract/documents';
import { liveSubject } from '@worktrail/contract/subjects';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { LiveSubscriber } from '../events/live-subscription.ts';
import type { Api } from '../http/api.ts';
import { json, noContent } from '../http/reply.ts';
import { notFound } from '../problem.ts';
import type { OpenedSession, SessionReader } from '../sessions/session-reader.ts';
import { id } from '../text.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import type { CommandReader } from './command-reader.ts';
import { type ControlOperation, type RunnerControl, tellCanceled } from './runner-control.ts';
import { commandSchema, signalSchema } from './schemas.ts';

const tag = 'Commands';
const path = '/v1/sessions/{sessionId}/commands/{commandId}';
const params = z.object({ sessionId: id('session'), commandId: id('command') });
/** How long a command that was just asked for may take to start before it counts as not running. */
const startWaitMs = 3_000;
const startCheckMs = 250;

export interface ControlRouteDeps {
  sessions: SessionReader;
  commands: CommandReader;
  workflows: WorkflowClient;
  control: RunnerControl;
  live: LiveSubscriber;
  operator: OperatorConfig;
}

export function addControlRoutes(api: Api, deps: ControlRouteDeps): void {
  addInput(api, deps);
  addSignal(api, deps);
  addCancel(api, deps);
}

function addInput(api: Api, deps: ControlRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: `${path}/stdin`,
      tag,
      summary: 'Write to the standard input',
      action: 'command.control',
      params,
      query: z.object({
        close: z
          .enum(['true', 'false'])
          .default('false')
          .transform((value) => value === 'true')
          .openapi({ type: 'boolean', description: 'Nothing more follows.' }),
      }),
      rawBodyBytesMax: limits.stdinRequestBytesMax,
      answers: { 204: { description: 'Taken by the sandbox' } },
    },
    async ({ principal, params: { sessionId, commandId }, query, rawBody, retried, signal }) => {
      const session = await deps.sessions.open(principal, sessionId, 'command.control');
      // Whether the first request wrote nothing, a part or all of it is not known: writing again could double it.
      if (retried) throw new WorktrailError('idempotency_in_progress', 'the first request may have written already');
      for (const chunk of inputChunks(rawBody, query.close)) {
        await askWhenRunning(deps, session, commandId, { case: 'writeStdin', value: chunk }, signal);
      }
      return noContent;
    },
  );
}

function* inputChunks(bytes: Uint8Array, close: boolean): Generator<{ bytes: Uint8Array; close: boolean }> {
  let offset = 0;
  do {
    const chunk = bytes.subarray(offset, offset + limits.stdinChunkBytesMax);
    offset += chunk.byteLength;
    yield { bytes: chunk, close: close && offset >= bytes.byteLength };
  } while (offset < bytes.byteLength);
}

function addSignal(api: Api, deps: ControlRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: `${path}/signal`,
      tag,
      summary: 'Send a signal to the process group',
      action: 'command.control',
      params,
      body: signalSchema,
      answers: { 202: { description: 'Sent', schema: commandSchema } },
    },
    async ({ principal, params: { sessionId, commandId }, body, signal }) => {
      const session = await deps.sessions.open(principal, sessionId, 'command.control');
      const operation: ControlOperation = { case: 'sendSignal', value: { signal: body.signal } };
      await askWhenRunning(deps, session, commandId, operation, signal);
      return json(202, await mustFind(deps, session, commandId));
    },
  );
}

function addCancel(api: Api, deps: ControlRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: `${path}/cancel`,
      tag,
      summary: 'Stop a command: TERM, after a grace KILL',
      action: 'command.control',
      params,
      answers: {
        200: { description: 'It had ended', schema: commandSchema },
        202: { description: 'It is being stopped', schema: commandSchema },
      },
    },
    async ({ principal, params: { sessionId, commandId } }) => {
      const session = await deps.sessions.open(principal, sessionId, 'command.control');
      const request: CancelCommandRequest = { commandId, reason: 'requested' };
      // Recorded by the workflow first; then told to the runner, which the activity's heartbeat would reach later.
      const workflowId = sessionWorkflowId(sessionId);
      const canceled = await deps.workflows.update<{ accepted: boolean }>(workflowId, cancelCommand, [request]);
      const { runnerId } = session.document;
      const order = { graceSeconds: deps.operator.defaults.cancelGraceSeconds, reason: 'requested' };
      if (canceled?.accepted) await tellCanceled(deps.control, runnerId, target(session, commandId), order);
      const command = await mustFind(deps, session, commandId);
      return json(command.state === 'ended' ? 200 : 202, command);
    },
  );
}

/** A command that was just asked for starts within milliseconds: it is waited for, within a bound. */
async function askWhenRunning(
  deps: ControlRouteDeps,
  session: OpenedSession,
  commandId: string,
  operation: ControlOperation,
  signal: AbortSignal,
): Promise<void> {
  const deadlineMs = Date.now() + startWaitMs;
  const subscription = deps.live.subscribe(liveSubject(session.scope, commandId));
  try {
    for (;;) {
      const refusal = await tryAsk(deps, session, commandId, operation);
      if (refusal === undefined) return;
      if (refusal.code !== 'command_not_running' || Date.now() >= deadlineMs || signal.aborted) throw refusal;
      while (subscription.take() !== undefined);
      await subscription.more(startCheckMs, signal);
    }
  } finally {
    subscription.close();
  }
}

async function tryAsk(
  deps: ControlRouteDeps,
  session: OpenedSession,
  commandId: string,
  operation: ControlOperation,
): Promise<WorktrailError | undefined> {
  try {
    const runnerId = session.document.runnerId ?? (await currentRunner(deps, session));
    if (runnerId === null) return await whyNotRunning(deps, session, commandId);
    await deps.control.ask(runnerId, target(session, commandId), operation);
    return undefined;
  } catch (error) {
    if (!(error instanceof WorktrailError)) throw error;
    if (error.code === 'not_found' || error.code === 'command_not_running') {
      return await whyNotRunning(deps, session, commandId);
    }
    return error;
  }
}

async function currentRunner(deps: ControlRouteDeps, session: OpenedSession): Promise<string | null> {
  const workflowId = sessionWorkflowId(session.document.id);
  const document = await deps.workflows.query<SessionDocument>(workflowId, describeSession, []);
  return document?.runnerId ?? null;
}

async function whyNotRunning(
  deps: ControlRouteDeps,
  session: OpenedSession,
  commandId: string,
): Promise<WorktrailError> {
  const command = await deps.commands.find(session.scope, commandId);
  if (!command) return notFound(commandId);
  if (command.state === 'ended') return new WorktrailError('command_ended', `${commandId} has ended`);
  return new WorktrailError('command_not_running', `${commandId} is not running yet: try again`);
}

async function mustFind(deps: ControlRouteDeps, session: OpenedSession, commandId: string) {
  const command = await deps.commands.find(session.scope, commandId);
  if (!command) throw notFound(commandId);
  return command;
}

function target(session: OpenedSession, commandId: string) {
  return { organizationId: session.document.organizationId, sessionId: session.document.id, commandId };
}
