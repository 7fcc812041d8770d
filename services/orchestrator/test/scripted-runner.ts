// The other side of the wire in the orchestrator's tests: a worker that answers the sandbox-runner's activities by script, keeps
// its commands across activity attempts as a real one does, and publishes their events by the same protocol.
//
// A command's text is its script: `exit 3` ends at once with 3, `hold` runs until it is released or canceled.

import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { type NativeConnection, Worker } from '@temporalio/worker';
import type { CommandResult } from '@worktrail/contract/commands';
import {
  hostTaskQueue,
  type OpenSandboxInput,
  type PlacementActivities,
  placementTaskQueue,
  type RunCommandInput,
  type SandboxActivities,
  type SandboxRef,
  sandboxGone,
} from '@worktrail/contract/sandbox-activities';
import { CommandOutcome } from '@worktrail/proto/event';
import { createProducer, type ProducerDeps, recoverProducer } from '@worktrail/runtime/event-producer';

export const runnerId = 'runner-scripted';

interface HeldCommand {
  ended: Promise<CommandResult>;
  end(result: CommandResult): void;
}

export interface ScriptedRunner {
  readonly opened: OpenSandboxInput[];
  readonly removed: SandboxRef[];
  readonly attempts: RunCommandInput[];
  /** What the next `openSandbox` fails with, for good. */
  failNextOpen(type: string, message: string): void;
  /** From now on the session has no sandbox until it is opened again; commands in it are lost. */
  loseSandbox(sessionId: string): void;
  release(commandId: string, exitCode?: number): Promise<void>;
  isHeld(commandId: string): boolean;
  stop(): Promise<void>;
}

export async function startScriptedRunner(
  connection: NativeConnection,
  producer: ProducerDeps,
): Promise<ScriptedRunner> {
  const opened: OpenSandboxInput[] = [];
  const removed: SandboxRef[] = [];
  const attempts: RunCommandInput[] = [];
  const commands = new Map<string, HeldCommand>();
  const gone = new Set<string>();
  let openFailure: ApplicationFailure | undefined;

  const activities: PlacementActivities & SandboxActivities = {
    placeSession: async () => ({ runnerId, hostQueue: hostTaskQueue(runnerId) }),
    openSandbox: async (input) => {
      opened.push(input);
      const failure = openFailure;
      openFailure = undefined;
      if (failure) throw failure;
      const from = opened.filter(({ sessionId }) => sessionId === input.sessionId).length > 1 ? 'volume' : 'new';
      gone.delete(input.sessionId);
      return { from, baseCommit: 'a'.repeat(40), headCommit: 'b'.repeat(40) };
    },
    runCommand: async (input) => {
      attempts.push(input);
      const held = commands.get(input.command.id);
      if (!held && gone.has(input.sessionId)) throw ApplicationFailure.nonRetryable('it is not there', sandboxGone);
      const command = held ?? start(input);
      if (input.cancelReason !== null) command.end(canceled(input.cancelReason));
      return await follow(command, Context.current());
    },
    removeSandbox: async (ref) => {
      removed.push(ref);
    },
  };

  function start(input: RunCommandInput): HeldCommand {
    const { promise, resolve } = Promise.withResolvers<CommandResult>();
    const command: HeldCommand = { ended: promise.then((result) => publish(producer, input, result)), end: resolve };
    commands.set(input.command.id, command);
    const exit = /^exit (\d+)$/.exec(input.command.command);
    if (exit) resolve(exited(Number(exit[1])));
    return command;
  }

  const workers = await Promise.all(
    [placementTaskQueue, hostTaskQueue(runnerId)].map((taskQueue) =>
      Worker.create({ connection, taskQueue, activities, maxHeartbeatThrottleInterval: 100, shutdownGraceTime: 100 }),
    ),
  );
  const running = workers.map((worker) => worker.run());
  return {
    opened,
    removed,
    attempts,
    failNextOpen: (type, message) => {
      openFailure = ApplicationFailure.nonRetryable(message, type);
    },
    loseSandbox: (sessionId) => gone.add(sessionId),
    release: async (commandId, exitCode = 0) => {
      commands.get(commandId)?.end(exited(exitCode));
      await commands.get(commandId)?.ended;
    },
    isHeld: (commandId) => commands.has(commandId),
    stop: async () => {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
    },
  };
}

async function follow(command: HeldCommand, context: Context): Promise<CommandResult> {
  const beat = setInterval(() => context.heartbeat(), 50);
  try {
    return await Promise.race([command.ended, context.cancelled]);
  } finally {
    clearInterval(beat);
  }
}

function exited(exitCode: number): CommandResult {
  return { outcome: 'exited', reason: null, exitCode, signal: null, stdoutBytes: 0, stderrBytes: 0 };
}

function canceled(reason: string): CommandResult {
  return { outcome: 'canceled', reason, exitCode: null, signal: 'SIGTERM', stdoutBytes: 0, stderrBytes: 0 };
}

/** Everything of a command after its end is known: queued unless it is there, started, ended. */
async function publish(deps: ProducerDeps, input: RunCommandInput, result: CommandResult): Promise<CommandResult> {
  const ref = { ...input, producer: input.command.id, signal: new AbortController().signal };
  const state = await recoverProducer(deps, ref);
  const producer = createProducer(deps, ref, state);
  const event = { time: new Date(), actor: input.command.actor, commandId: input.command.id };
  if (state.number === 0) await producer.append({ ...event, payload: { case: 'commandQueued', value: {} } });
  await producer.append({ ...event, payload: { case: 'commandStarted', value: {} } });
  const outcome = result.outcome === 'exited' ? CommandOutcome.EXITED : CommandOutcome.CANCELED;
  const value = { outcome, reason: result.reason ?? '', exitCode: result.exitCode ?? undefined };
  await producer.append({ ...event, payload: { case: 'commandEnded', value } });
  return result;
}
