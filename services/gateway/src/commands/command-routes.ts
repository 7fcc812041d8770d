// Commands of a session: run, list, show.

import { z } from '@hono/zod-openapi';
import type { CommandSpec } from '@worktrail/contract/commands';
import { limits } from '@worktrail/contract/limits';
import { type CommandAccepted, runCommand, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { type EventScope, liveSubject, sessionProducer } from '@worktrail/contract/subjects';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { Principal } from '../authorize.ts';
import type { Draw } from '../draw.ts';
import type { LiveSubscriber } from '../events/live-subscription.ts';
import type { StreamPosition } from '../events/stream-position.ts';
import type { Followers } from '../followers.ts';
import type { Api } from '../http/api.ts';
import { waitSeconds } from '../http/query-number.ts';
import { json } from '../http/reply.ts';
import { cursorId, pageOf, pageQuery } from '../pagination.ts';
import { invalid, notFound, Problem } from '../problem.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { OpenedSession, SessionReader } from '../sessions/session-reader.ts';
import { closedSession } from '../sessions/session-update.ts';
import { id } from '../text.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { commandOfSpec, withEnd } from './command-json.ts';
import type { CommandProgress } from './command-progress.ts';
import type { CommandReader } from './command-reader.ts';
import { waitForCommand } from './command-wait.ts';
import { type CommandJson, commandSchema, createCommandSchema } from './schemas.ts';

const tag = 'Commands';
const path = '/v1/sessions/{sessionId}/commands';

export interface CommandRouteDeps {
  sessions: SessionReader;
  commands: CommandReader;
  workflows: WorkflowClient;
  runners: RunnerView;
  live: LiveSubscriber;
  position: StreamPosition;
  operator: OperatorConfig;
  followers: Followers;
  stopping: AbortSignal;
}

export function addCommandRoutes(api: Api, deps: CommandRouteDeps): void {
  addCreation(api, deps);
  addReading(api, deps);
}

function addCreation(api: Api, deps: CommandRouteDeps): void {
  api.route(
    {
      method: 'post',
      path,
      tag,
      summary: 'Run a command',
      action: 'command.create',
      params: z.object({ sessionId: id('session') }),
      query: z.object({ waitSeconds: waitSeconds('Waits so long for the end.') }),
      body: createCommandSchema,
      answers: {
        200: { description: 'Ended within the wait', schema: commandSchema },
        202: { description: 'Queued or running', schema: commandSchema },
      },
    },
    async ({ principal, params, query, body, draw, signal, retried }) => {
      const ceiling = deps.operator.ceilings.commandTimeoutSeconds;
      if (body.timeoutSeconds !== undefined && body.timeoutSeconds > ceiling) {
        throw invalid({ path: 'timeoutSeconds', message: `is over the operator's ceiling of ${ceiling}` });
      }
      const session = await deps.sessions.open(principal, params.sessionId, 'command.create');
      // A command wakes a session that sleeps; in one that is awake it needs no engine.
      const { state, runnerId } = session.document;
      if (state === 'hibernated') await deps.runners.checkPlaceable();
      await deps.runners.checkPresent(runnerId);
      const spec = commandSpec(draw, principal, body);
      const timeoutMs = query.waitSeconds * 1_000;
      const command =
        timeoutMs > 0
          ? await runAndWait(deps, session, spec, { timeoutMs, mayHaveBegun: retried, signal })
          : await run(deps, session, spec);
      return json(command.state === 'ended' ? 200 : 202, command);
    },
  );
}

function commandSpec(draw: Draw, principal: Principal, body: z.output<typeof createCommandSchema>): CommandSpec {
  return {
    id: draw.id('command'),
    command: body.command,
    cwd: body.cwd,
    env: body.env,
    timeoutSeconds: body.timeoutSeconds ?? null,
    stdin: body.stdin ?? null,
    background: body.background,
    origin: 'user',
    actor: { kind: 'user', id: principal.id },
    queuedAt: new Date(draw.timeMs).toISOString(),
  };
}

/** The update's id is the command's: a repetition is the same update. */
async function run(deps: CommandRouteDeps, session: OpenedSession, spec: CommandSpec): Promise<CommandJson> {
  const workflowId = sessionWorkflowId(session.document.id);
  try {
    const accepted = await deps.workflows.update<CommandAccepted>(workflowId, runCommand, [spec], {
      updateId: spec.id,
    });
    if (accepted) return commandOfSpec(session.document.id, spec);
  } catch (error) {
    throw withCommandId(error, spec.id);
  }
  throw await closedSession(deps.sessions, session.document);
}

/** Where no answer came the command may still be run: its id is told, so that it can be found. */
function withCommandId(error: unknown, commandId: string): unknown {
  if (!(error instanceof Problem) || error.code !== 'dependency_unavailable') return error;
  const detail = `${error.message}; the command may still be run, as ${commandId}`;
  return new Problem(error.code, detail, { members: { ...error.members, commandId }, cause: error });
}

async function runAndWait(
  deps: CommandRouteDeps,
  session: OpenedSession,
  spec: CommandSpec,
  wait: { timeoutMs: number; mayHaveBegun: boolean; signal: AbortSignal },
): Promise<CommandJson> {
  const { scope } = session;
  const end = deps.followers.admit('waiters', scope.organizationId);
  const subscription = deps.live.subscribe(liveSubject(scope, spec.id));
  try {
    const command = await run(deps, session, spec);
    const signal = AbortSignal.any([wait.signal, deps.stopping]);
    const waitDeps = {
      position: deps.position,
      listenToSession: (of: EventScope) => deps.live.subscribe(liveSubject(of, sessionProducer)),
      find: deps.commands.record,
    };
    const progress = await waitForCommand(waitDeps, subscription, { ...wait, scope, commandId: spec.id, signal });
    return await withProgress(deps, session, command, progress);
  } finally {
    subscription.close();
    end();
  }
}

async function withProgress(
  deps: CommandRouteDeps,
  { scope }: OpenedSession,
  command: CommandJson,
  progress: CommandProgress,
): Promise<CommandJson> {
  const { end } = progress;
  if (!end) {
    const { startedAt, stdoutBytes, stderrBytes } = progress;
    const state = startedAt !== null || progress.number > 1 ? 'running' : command.state;
    return { ...command, state, startedAt, stdoutBytes, stderrBytes, output: progress.tail.text() };
  }
  const ended = withEnd({ ...command, startedAt: progress.startedAt }, end.ended, end.seenAt);
  if (progress.isWhole) return { ...ended, output: progress.tail.text() };
  const bytes = ended.stdoutBytes + ended.stderrBytes;
  return { ...ended, output: await deps.commands.tail(scope, command.id, bytes, limits.outputTailBytes) };
}

function addReading(api: Api, { sessions, commands }: CommandRouteDeps): void {
  api.route(
    {
      method: 'get',
      path,
      tag,
      summary: 'Commands of a session, oldest first',
      action: 'command.read',
      params: z.object({ sessionId: id('session') }),
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(commandSchema) } },
    },
    async ({ principal, params, query }) => {
      const { scope } = await sessions.open(principal, params.sessionId, 'command.read');
      const after = cursorId(query.cursor, 'command');
      const { items, more } = await commands.list(scope, { limit: query.limit, after });
      return json(200, { items, nextCursor: more ? (items.at(-1)?.id ?? null) : null });
    },
  );
  api.route(
    {
      method: 'get',
      path: `${path}/{commandId}`,
      tag,
      summary: 'A command',
      action: 'command.read',
      params: z.object({ sessionId: id('session'), commandId: id('command') }),
      answers: { 200: { description: 'The command', schema: commandSchema } },
    },
    async ({ principal, params }) => {
      const { scope } = await sessions.open(principal, params.sessionId, 'command.read');
      const command = await commands.find(scope, params.commandId);
      if (!command) throw notFound(params.commandId);
      return json(200, command);
    },
  );
}
