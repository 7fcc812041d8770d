// The runner's activities as Temporal calls them: what each error means for the workflow is decided here.

import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { errorKinds, WorktrailError } from '@worktrail/contract/errors';
import {
  checkpointMissing,
  noDiskSpace,
  noFreeSlot,
  type PlacementActivities,
  type RunCommandInput,
  runnerDraining,
  runnerStopping,
  type SandboxActivities,
  type SandboxRef,
  sandboxGone,
  updateRefused,
} from '@worktrail/contract/sandbox-activities';
import { ArtifactCorrupt, ArtifactMissing } from './artifacts/artifact-store.ts';
import { type CheckpointEngine, CheckpointMissing } from './checkpoints/checkpoint-engine.ts';
import { UpdateRefused, type WorkspaceUpdating } from './checkpoints/workspace-update.ts';
import { SandboxGone } from './commands/command-execution.ts';
import { LineFull } from './commands/command-turns.ts';
import { NoDiskSpace } from './host/disk-space.ts';
import { type ActivityRun, Detached, type LiveCommands } from './commands/live-commands.ts';
import type { ContextTools } from './agent-tools/context-tools.ts';
import type { FileTools } from './agent-tools/file-tools.ts';
import type { AgentTurns } from './agents/agent-turns.ts';
import type { FileChanges } from './files/file-change.ts';
import type { PartWatch } from './host/part-watch.ts';
import { NoFreeSlot, type Placements, TakesNoSession } from './places/placement.ts';
import { RunnerDraining, type Sandboxes } from './sandboxes/sandboxes.ts';
import type { SandboxDriver } from './docker/sandbox-driver.ts';
import type { OpenSandbox } from './sessions/open-sandboxes.ts';
import type { SessionActivity } from './sessions/session-activity.ts';
import type { SessionDirectories } from './sessions/session-directory.ts';
import { SessionFailure, StaleGeneration, UpstreamAway } from './sessions/session-failure.ts';
import { isStoreAway } from './artifacts/store-away.ts';

/** An engine that answers and still refuses so often in a row will not make this sandbox. */
const openFailuresMax = 5;
const lineFullRetryMs = 5_000;
/** How late an agent may hear that its turn was canceled: a heartbeat brings it. */
const cancelHeardMs = 500;

export interface SandboxActivityDeps {
  sandboxes: Sandboxes;
  placements: Pick<Placements, 'opening'>;
  commands: LiveCommands;
  driver: Pick<SandboxDriver, 'ping'>;
  engine: Pick<PartWatch, 'whenWell'>;
  disk: Pick<PartWatch, 'failure'>;
  directories: SessionDirectories;
  checkpoints: Pick<CheckpointEngine, 'take' | 'revert'>;
  fileChanges: FileChanges;
  fileTools: FileTools;
  agentTurns: AgentTurns;
  contextTools: ContextTools;
  updating: WorkspaceUpdating;
  activity: Pick<SessionActivity, 'touch'>;
}

export function createPlacementActivities(placements: Placements): PlacementActivities {
  return { placeSession: (input) => withFailures(async () => placements.place(input)) };
}

export function createSandboxActivities({
  sandboxes,
  placements,
  commands,
  driver,
  engine,
  disk,
  directories,
  checkpoints,
  fileChanges,
  fileTools,
  agentTurns,
  contextTools,
  updating,
  activity: { touch },
}: SandboxActivityDeps): SandboxActivities {
  /** Of each session: failures that nothing explains. An attempt that found no free slot is none. */
  const failures = new Map<string, number>();
  const requireSpace = () => {
    const failure = disk.failure();
    if (failure !== null) throw new NoDiskSpace(failure);
  };
  /** Or is only to be recorded as canceled: nothing new is started. */
  const hasBegun = ({ sessionId, command: { id }, cancelReason }: RunCommandInput) => {
    const directory = directories.at(sessionId);
    return cancelReason !== null || directory.wasRequested(id) || directory.readResult(id) !== undefined;
  };
  const inSandbox = <T>(
    ref: SandboxRef,
    work: (sandbox: OpenSandbox, signal: AbortSignal) => Promise<T>,
    activity = currentRun(),
  ) => {
    return beating(activity, async () => {
      const sandbox = await sandboxes.attach(ref);
      if (!sandbox) throw new SandboxGone(`the sandbox of ${ref.sessionId} is not here`);
      try {
        return await work(sandbox, AbortSignal.any([activity.signal, sandbox.lost]));
      } catch (error) {
        if (activity.signal.aborted || (await sandboxes.verify(sandbox))) throw error;
        throw new SandboxGone(`the sandbox of ${ref.sessionId} has stopped`, { cause: error });
      }
    });
  };
  return {
    openSandbox: (input) =>
      withFailures(async () => {
        const activity = currentRun();
        const { sessionId } = input;
        try {
          return await beating(activity, async () => {
            // The time of an engine that is away is not for attempts, of which there are few.
            await engine.whenWell(activity.signal);
            requireSpace();
            const opened = await placements.opening(input, () => sandboxes.open(input, activity.signal));
            touch(sessionId);
            failures.delete(sessionId);
            return opened;
          });
        } catch (error) {
          if (activity.signal.aborted || toFailure(error) !== error || isStoreAway(error)) throw error;
          const failed = (failures.get(sessionId) ?? 0) + 1;
          failures.set(sessionId, failed);
          if (failed >= openFailuresMax) await giveUp(driver, error);
          throw error;
        }
      }),
    runCommand: (input) =>
      withFailures(async () => {
        if (!commands.find(input.command.id) && !hasBegun(input)) requireSpace();
        try {
          return await commands.run(input, currentRun()).finally(() => touch(input.sessionId));
        } catch (error) {
          // Its workflow has recorded why, and asks for the command again with that.
          const isCanceled = Context.current().cancellationDetails?.cancelRequested === true;
          throw error instanceof Detached && isCanceled ? new CancelledFailure(error.message) : error;
        }
      }),
    checkpointSandbox: (input) =>
      withFailures(() => inSandbox(input, (sandbox, signal) => checkpoints.take(sandbox, input, signal))),
    revertSandbox: (input) =>
      withFailures(async () => {
        requireSpace();
        touch(input.sessionId);
        return inSandbox(input, (sandbox, signal) => checkpoints.revert(sandbox, input, signal)).catch(
          (error: unknown) => {
            const isMissing = [CheckpointMissing, ArtifactMissing, ArtifactCorrupt].some(
              (kind) => error instanceof kind,
            );
            if (!isMissing) throw error;
            throw ApplicationFailure.nonRetryable((error as Error).message, checkpointMissing);
          },
        );
      }),
    changeFile: (input) =>
      withFailures(async () => {
        requireSpace();
        touch(input.sessionId);
        const again = input.again || Context.current().info.attempt > 1;
        return inSandbox(input, (sandbox, signal) => fileChanges.change(sandbox, { ...input, again }, signal));
      }),
    useFiles: (input) =>
      withFailures(async () => {
        requireSpace();
        touch(input.sessionId);
        const { detached, canceled } = endingsOf(currentRun().signal);
        const activity = { ...currentRun(), heartbeatEveryMs: cancelHeardMs, signal: detached };
        return orCanceled(() =>
          inSandbox(input, (sandbox, signal) => fileTools.use(sandbox, input, { signal, canceled }), activity),
        );
      }),
    useContext: (input) =>
      withFailures(async () => {
        touch(input.sessionId);
        const activity = { ...currentRun(), heartbeatEveryMs: cancelHeardMs };
        return orCanceled(() => beating(activity, () => contextTools.use(input, activity.signal)));
      }),
    runAgentTurn: (input) =>
      withFailures(async () => {
        // To end one takes none.
        if (!input.stop) requireSpace();
        touch(input.sessionId);
        const activity = { ...currentRun(), heartbeatEveryMs: cancelHeardMs };
        const control = endingsOf(activity.signal);
        try {
          return await beating(activity, () => agentTurns.run(input, control));
        } catch (error) {
          if (!control.detached.aborted) throw error;
          throw new Detached('the attempt ended; the agent goes on', { cause: error });
        }
      }),
    updateSandbox: (input) =>
      withFailures(async () => {
        requireSpace();
        touch(input.sessionId);
        return inSandbox(input, (sandbox, signal) => updating.update(sandbox, input, signal));
      }),
    hibernateSandbox: (input) =>
      withFailures(async () => {
        const activity = currentRun();
        await beating(activity, () => engine.whenWell(activity.signal));
        return beating(activity, () => sandboxes.hibernate(input, activity.signal));
      }),
    removeSandbox: (input) =>
      withFailures(async () => {
        failures.delete(input.sessionId);
        await beating(currentRun(), () => sandboxes.remove(input));
      }),
  };
}

/** @throws SessionFailure unless the engine is away. */
async function giveUp(driver: Pick<SandboxDriver, 'ping'>, error: unknown): Promise<void> {
  const answers = await driver.ping().then(
    () => true,
    () => false,
  );
  if (!answers) return;
  const detail = String((error as Error)?.message ?? error).slice(0, 500);
  const code = error instanceof UpstreamAway ? 'repository_unreachable' : 'internal';
  throw new SessionFailure(code, `the sandbox could not be made: ${detail}`, { cause: error });
}

/** Only what its workflow wants is a cancel; whatever else ends an attempt lets go of the work. */
function endingsOf(signal: AbortSignal): { canceled: AbortSignal; detached: AbortSignal } {
  const context = Context.current();
  const [canceled, detached] = [new AbortController(), new AbortController()];
  const end = () => (context.cancellationDetails?.cancelRequested === true ? canceled : detached).abort(signal.reason);
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return { canceled: canceled.signal, detached: detached.signal };
}

/** However a work that was to be stopped says so. */
async function orCanceled<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isCanceled = Context.current().cancellationDetails?.cancelRequested === true;
    throw isCanceled ? new CancelledFailure((error as Error).message) : error;
  }
}

/** Three heartbeats fit into the time after which their absence counts. */
export function currentRun(): ActivityRun {
  const context = Context.current();
  const timeoutMs = context.info.heartbeatTimeoutMs ?? 15_000;
  return {
    heartbeat: () => context.heartbeat(),
    heartbeatEveryMs: Math.min(5_000, Math.max(250, timeoutMs / 3)),
    signal: context.cancellationSignal,
  };
}

export async function beating<T>(activity: ActivityRun, work: () => Promise<T>): Promise<T> {
  const beat = setInterval(() => activity.heartbeat(), activity.heartbeatEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(beat);
  }
}

export async function withFailures<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toFailure(error);
  }
}

export function toFailure(error: unknown): unknown {
  if (error instanceof SessionFailure) return ApplicationFailure.nonRetryable(error.message, error.code);
  if (error instanceof WorktrailError && !errorKinds[error.code].retryable)
    return ApplicationFailure.nonRetryable(error.message, error.code);
  if (error instanceof SandboxGone) return ApplicationFailure.nonRetryable(error.message, sandboxGone);
  if (error instanceof UpdateRefused) return ApplicationFailure.nonRetryable(error.message, updateRefused);
  if (error instanceof StaleGeneration) return ApplicationFailure.nonRetryable(error.message, 'stale_generation');
  if (error instanceof NoFreeSlot) {
    const { message, askAgainMs } = error;
    return ApplicationFailure.create({
      message,
      type: noFreeSlot,
      ...(askAgainMs !== undefined && { nextRetryDelay: askAgainMs }),
    });
  }
  if (error instanceof LineFull)
    return ApplicationFailure.create({ message: error.message, type: 'line_full', nextRetryDelay: lineFullRetryMs });
  if (error instanceof TakesNoSession) return ApplicationFailure.retryable(error.message, runnerDraining);
  if (error instanceof NoDiskSpace) return ApplicationFailure.retryable(error.message, noDiskSpace);
  if (error instanceof Detached) return ApplicationFailure.retryable(error.message, 'detached');
  if (error instanceof RunnerDraining) return ApplicationFailure.retryable(error.message, runnerStopping);
  return error;
}
