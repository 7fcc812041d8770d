// The other side of the wire in the orchestrator's tests: a worker that answers the sandbox-runner's activities by script, keeps
// its commands across activity attempts as a real one does, and publishes their events by the same protocol.
//
// A command's text is its script: `exit 3` ends at once with 3, `hold` runs until it is released or canceled. So is the message of an agent in
// the sandbox: `hold` as well, `ask` asks for one permission, `use` begins two uses of a tool, ends one and then holds, and `use and break` fails
// after that.

import type { KV } from '@nats-io/kv';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { type NativeConnection, Worker } from '@temporalio/worker';
import type { CommandResult } from '@worktrail/contract/commands';
import {
  checkpointMissing,
  type ChangeFileInput,
  type CheckpointInput,
  type CheckpointResult,
  type HibernateInput,
  hostTaskQueue,
  noFreeSlot,
  type OpenedSandbox,
  type OpenSandboxInput,
  type PlacementActivities,
  type RevertInput,
  type RunAgentTurnInput,
  placementTaskQueue,
  runnerDraining,
  type RunCommandInput,
  type SandboxActivities,
  type SandboxRef,
  sandboxGone,
  type UpdateInput,
  updateRefused,
  type UseFilesInput,
} from '@worktrail/contract/sandbox-activities';
import { toolCallId } from '@worktrail/contract/turns';
import { CommandOutcome } from '@worktrail/proto/event';
import { createProducer, type ProducerDeps, recoverProducer } from '@worktrail/runtime/event-producer';

export const runnerId = 'runner-scripted';

interface HeldCommand {
  ended: Promise<CommandResult>;
  end(result: CommandResult): void;
}

/** How the runner answers from now on. */
export interface RunnerScript {
  /** No slot is free: neither for a new session nor for one that comes back. */
  full: boolean;
  /** It was told to drain. */
  draining: boolean;
  /** `hold`: it is made, and its events are written, once the script says otherwise. */
  checkpoints: 'changed' | 'unchanged' | 'fail' | 'hold';
  updates: 'updated' | 'up_to_date' | 'conflicts' | 'refuse' | 'hold';
  archives: 'whole' | 'none' | 'fail' | 'running';
  /** `hold`: the files are made as they were once the script says otherwise. `fail`: for good. */
  reverts: 'made' | 'hold' | 'fail' | 'missing';
  fileChanges: 'made' | 'hold' | 'refused' | 'unchanged';
  headRef: string | null | undefined;
}

export interface ScriptedRunner {
  readonly script: RunnerScript;
  readonly opened: OpenSandboxInput[];
  readonly removed: SandboxRef[];
  readonly attempts: RunCommandInput[];
  readonly checkpoints: CheckpointInput[];
  readonly updates: UpdateInput[];
  readonly hibernated: HibernateInput[];
  readonly reverted: RevertInput[];
  readonly changedFiles: ChangeFileInput[];
  readonly usedFiles: { input: UseFilesInput; atMs: number }[];
  readonly agentTurns: RunAgentTurnInput[];
  /** What the next `openSandbox` fails with, for good. */
  failNextOpen(type: string, message: string): void;
  /** From now on the session has no sandbox until it is opened again; commands in it are lost. */
  loseSandbox(sessionId: string): void;
  release(commandId: string, exitCode?: number): Promise<void>;
  isHeld(commandId: string): boolean;
  /** The one with this text that was begun last. */
  idOf(command: string): string | undefined;
  /** Takes nothing up any longer; what it follows it lets go of, and nobody hears of it again. */
  stop(): Promise<void>;
}

export async function startScriptedRunner(
  connection: NativeConnection,
  producer: ProducerDeps,
  runners: KV,
  id = runnerId,
): Promise<ScriptedRunner> {
  const opened: OpenSandboxInput[] = [];
  const removed: SandboxRef[] = [];
  const attempts: RunCommandInput[] = [];
  const checkpoints: CheckpointInput[] = [];
  const updates: UpdateInput[] = [];
  const hibernated: HibernateInput[] = [];
  const reverted: RevertInput[] = [];
  const changedFiles: ChangeFileInput[] = [];
  const usedFiles: { input: UseFilesInput; atMs: number }[] = [];
  const agentTurns: RunAgentTurnInput[] = [];
  const commands = new Map<string, HeldCommand>();
  const texts = new Map<string, string>();
  const gone = new Set<string>();
  /** The generation that left each session's volume. */
  const volumes = new Map<string, number>();
  const script: RunnerScript = {
    full: false,
    draining: false,
    checkpoints: 'changed',
    updates: 'updated',
    archives: 'whole',
    reverts: 'made',
    fileChanges: 'made',
    headRef: undefined,
  };
  let openFailure: ApplicationFailure | undefined;
  const requireSlot = () => {
    if (script.full) throw ApplicationFailure.retryable('no slot is free', noFreeSlot);
  };

  const activities: PlacementActivities & SandboxActivities = {
    placeSession: async () => {
      requireSlot();
      if (script.draining) throw ApplicationFailure.retryable('it drains', noFreeSlot);
      return { runnerId: id, hostQueue: hostTaskQueue(id) };
    },
    openSandbox: async (input) => {
      requireSlot();
      if (script.draining && !input.onlyHere) throw ApplicationFailure.retryable('it drains', runnerDraining);
      opened.push(input);
      const failure = openFailure;
      openFailure = undefined;
      if (failure) throw failure;
      const from = restoredFrom(input, volumes.get(input.sessionId));
      volumes.set(input.sessionId, input.generation);
      gone.delete(input.sessionId);
      const notKept = from === 'checkpoint' ? ['ignored files', 'processes'] : [];
      return { from, baseCommit: 'a'.repeat(40), headCommit: 'b'.repeat(40), notKept };
    },
    runCommand: async (input) => {
      attempts.push(input);
      const held = commands.get(input.command.id);
      if (!held && gone.has(input.sessionId)) throw ApplicationFailure.nonRetryable('it is not there', sandboxGone);
      const command = held ?? start(input);
      if (input.cancelReason !== null) command.end(canceled(input.cancelReason));
      return await follow(command, Context.current());
    },
    checkpointSandbox: async (input) => {
      checkpoints.push(input);
      const context = Context.current();
      while (script.checkpoints === 'hold') {
        context.heartbeat();
        await context.sleep(20);
      }
      if (gone.has(input.sessionId)) throw ApplicationFailure.nonRetryable('it is not there', sandboxGone);
      if (script.checkpoints === 'fail') throw ApplicationFailure.nonRetryable('the store is full', 'store_full');
      const headRef = script.headRef === undefined ? 'refs/heads/worktrail/try-something-12345678' : script.headRef;
      const headCommit = 'c'.repeat(40);
      const position = { ahead: 1, behind: 2 };
      if (script.checkpoints === 'unchanged' && input.previous && !input.evenIfUnchanged) {
        return { changed: false, headCommit, headRef, position };
      }
      await publishFiles(producer, input);
      const revert = reverted.findLast(({ revertId }) => revertId === input.checkpointId);
      return checkpointResult(input, headCommit, headRef, revert?.to.tree);
    },
    revertSandbox: async (input) => {
      reverted.push(input);
      const context = Context.current();
      while (script.reverts === 'hold') {
        context.heartbeat();
        await context.sleep(20);
      }
      if (gone.has(input.sessionId)) throw ApplicationFailure.nonRetryable('it is not there', sandboxGone);
      if (script.reverts === 'fail') throw ApplicationFailure.nonRetryable('the disk is full', 'no_space');
      if (script.reverts === 'missing') throw ApplicationFailure.nonRetryable('it is in no bundle', checkpointMissing);
      return { notTouched: ['what is ignored: 1 file or directory: ignored/'], notRestored: [], removed: [] };
    },
    changeFile: async (input) => {
      changedFiles.push(input);
      const context = Context.current();
      while (script.fileChanges === 'hold') {
        context.heartbeat();
        await context.sleep(20);
      }
      if (gone.has(input.sessionId)) throw ApplicationFailure.nonRetryable('it is not there', sandboxGone);
      if (script.fileChanges === 'refused') {
        throw ApplicationFailure.nonRetryable('it is not as it was expected', 'precondition_failed');
      }
      const status = script.fileChanges === 'unchanged' ? 'unchanged' : 'modified';
      return { status, oldBlob: 'a'.repeat(40), newBlob: 'b'.repeat(40), additions: 2, deletions: 1, binary: false };
    },
    updateSandbox: async (input) => {
      updates.push(input);
      const context = Context.current();
      while (script.updates === 'hold') {
        context.heartbeat();
        await context.sleep(20);
      }
      if (script.updates === 'refuse') throw ApplicationFailure.nonRetryable('git would not begin', updateRefused);
      const conflicts = script.updates === 'conflicts' ? ['a', 'b'] : [];
      return { outcome: script.updates, commit: 'f'.repeat(40), headCommit: 'c'.repeat(40), conflicts };
    },
    hibernateSandbox: async (input) => {
      hibernated.push(input);
      if (script.archives === 'running') throw ApplicationFailure.nonRetryable('it does not stop', 'engine_refused');
      if (script.archives === 'fail' && input.archiveBytesMax > 0)
        throw ApplicationFailure.nonRetryable('the store is full', 'store_full');
      if (script.archives === 'none' || input.archiveBytesMax === 0) return { archive: null };
      const artifact = { name: `archive/${input.sessionId}/${input.generation}`, sha256: 'd'.repeat(64), bytes: 100 };
      return { archive: { kind: 'whole', artifact, notKept: [] } };
    },
    useFiles: async (input) => {
      usedFiles.push({ input, atMs: Date.now() });
      if (gone.has(input.sessionId)) throw ApplicationFailure.nonRetryable('it is not there', sandboxGone);
      return { changed: true };
    },
    runAgentTurn: async (input) => {
      const { text, stop, turnId, decided, mayHaveBegun } = input;
      if (text.startsWith('use') && !mayHaveBegun) await beginTools(producer, input);
      agentTurns.push(input);
      if (text === 'use and break') throw ApplicationFailure.nonRetryable('it is broken', 'broken');
      const context = Context.current();
      if (text === 'ask' && decided.length === 0 && !stop) {
        return { kind: 'permissions', asked: [{ toolCallId: `${turnId}-1-0`, toolKind: 'execute', detail: 'run it' }] };
      }
      while ((text === 'hold' || text === 'use') && !stop && !mayHaveBegun && !context.cancellationSignal.aborted) {
        context.heartbeat();
        await Promise.race([context.sleep(20), context.cancelled]).catch(() => undefined);
      }
      const usage = { inputTokens: 1, outputTokens: 2, cachedInputTokens: 0, costUsd: 0 };
      const outcome = mayHaveBegun ? 'failed' : 'completed';
      return { kind: 'ended', outcome, reason: '', steps: 3, usage, conversation: null };
    },
    useContext: async () => undefined,
    removeSandbox: async (ref) => {
      removed.push(ref);
    },
  };

  function start(input: RunCommandInput): HeldCommand {
    const { promise, resolve } = Promise.withResolvers<CommandResult>();
    const command: HeldCommand = { ended: promise.then((result) => publish(producer, input, result)), end: resolve };
    commands.set(input.command.id, command);
    texts.set(input.command.id, input.command.command);
    const exit = /^exit (\d+)$/.exec(input.command.command);
    if (exit) resolve(exited(Number(exit[1])));
    return command;
  }

  const workers = await Promise.all(
    [placementTaskQueue, hostTaskQueue(id)].map((taskQueue) =>
      Worker.create({
        connection,
        taskQueue,
        activities,
        maxHeartbeatThrottleInterval: 100,
        shutdownGraceTime: 100,
      }),
    ),
  );
  const running = workers.map((worker) => worker.run());
  const announce = () => runners.put(id, JSON.stringify({ id })).catch(() => {});
  await announce();
  const announcing = setInterval(() => void announce(), 1_000);
  return {
    script,
    opened,
    removed,
    attempts,
    checkpoints,
    updates,
    hibernated,
    reverted,
    changedFiles,
    usedFiles,
    agentTurns,
    failNextOpen: (type, message) => {
      openFailure = ApplicationFailure.nonRetryable(message, type);
    },
    loseSandbox: (sessionId) => gone.add(sessionId),
    release: async (commandId, exitCode = 0) => {
      commands.get(commandId)?.end(exited(exitCode));
      await commands.get(commandId)?.ended;
    },
    isHeld: (commandId) => commands.has(commandId),
    idOf: (command) => [...texts].findLast(([, text]) => text === command)?.[0],
    stop: async () => {
      clearInterval(announcing);
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.all(running);
      await runners.delete(id).catch(() => {});
    },
  };
}

function restoredFrom(input: OpenSandboxInput, volume: number | undefined): OpenedSandbox['from'] {
  if (volume !== undefined && volume === input.filesGeneration) return 'volume';
  if (input.restore?.archive) return 'archive';
  return input.restore?.checkpoint ? 'checkpoint' : 'new';
}

function checkpointResult(
  input: CheckpointInput,
  headCommit: string,
  headRef: string | null,
  revertedTree?: string,
): CheckpointResult {
  const { checkpointId: id, number, generation } = input;
  const commit = number.toString(16).padStart(40, '0');
  const checkpoint = {
    id,
    number,
    commit,
    tree: revertedTree ?? commit,
    filesChanged: 1,
    headCommit,
    headRef,
    notKept: [],
  };
  const bundle = { name: `${id}.${generation}`, sha256: 'e'.repeat(64), bytes: 10 };
  return { changed: true, checkpoint, bundle, position: { ahead: 1, behind: 2 } };
}

async function publishFiles(deps: ProducerDeps, input: CheckpointInput): Promise<void> {
  const ref = { ...input, producer: input.checkpointId, signal: new AbortController().signal };
  const state = await recoverProducer(deps, ref);
  if (state.number > 0) return;
  const actor = { kind: 'system' as const, id: 'runner' };
  const value = { checkpointId: input.checkpointId };
  await createProducer(deps, ref, state).append({ time: new Date(), actor, payload: { case: 'filesChanged', value } });
}

async function beginTools(deps: ProducerDeps, input: RunAgentTurnInput): Promise<void> {
  const ref = { ...input, signal: new AbortController().signal };
  const state = await recoverProducer(deps, ref);
  if (state.number > 0) return;
  const producer = createProducer(deps, ref, state);
  const about = { actor: { kind: 'agent', id: 'custom' }, turnId: input.turnId } as const;
  const tell = (payload: Parameters<typeof producer.append>[0]['payload']) =>
    producer.append({ ...about, time: new Date(), payload });
  const [first, second] = [toolCallId(input.turnId, 1, 0), toolCallId(input.turnId, 1, 1)];
  for (const id of [first, second])
    await tell({ case: 'toolStarted', value: { toolCallId: id, tool: 'run', inputJson: '{}' } });
  await tell({ case: 'toolEnded', value: { toolCallId: first, failed: false, outputJson: '{}' } });
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
