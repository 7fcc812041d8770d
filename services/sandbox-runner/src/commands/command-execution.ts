// One command, from its request to its end in the history: started once, followed, published, whoever is restarted in between.
//
// 1. A command that has a result is not run again; one that was requested before is attached to, by its journal.
// 2. A command whose sandbox or journal is gone, or whose journal is corrupt, ends `sandbox_lost` with all output that was kept. It
//    was started when its journal or its history says so: a journal is not synced to disk, the history is.
// 3. One that never started in a sandbox that is gone is `SandboxGone`, and nothing of it is in the history but that it was queued.
// 4. A runner that drains starts nothing: what was not started waits for the next one.
// 5. Where another writer is ahead, what it wrote counts, and this one goes on from there or stops.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CommandResult } from '@worktrail/contract/commands';
import { workspacePath } from '@worktrail/contract/environment-variables';
import { limits } from '@worktrail/contract/limits';
import type { RunCommandInput } from '@worktrail/contract/sandbox-activities';
import {
  createProducer,
  newProducerState,
  type ProducerDeps,
  type ProducerRef,
  type ProducerState,
  recoverProducer,
  StaleProducerError,
} from '@worktrail/runtime/event-producer';
import { readStoredEnd, type StoredEndDeps } from '@worktrail/runtime/stored-end';
import type { Acknowledgements } from './acknowledgements.ts';
import type { Egress } from '../egress/egress.ts';
import {
  type CommandEnvironment,
  type ReadSecret,
  readRequestedSecrets,
  resolveCommandEnvironment,
  SecretUnusable,
} from './command-environment.ts';
import { readCommandFrames } from './command-frames.ts';
import { type Publication, publishCommand, publishUnstarted } from './command-publication.ts';
import { JournalCorrupt, type JournalFrame } from '../supervision/journal-format.ts';
import { readJournalHeader } from '../supervision/journal-reader.ts';
import type { CommandTurns, EndTurn } from './command-turns.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { RunnerDraining, type Sandboxes } from '../sandboxes/sandboxes.ts';
import { createSecretMask } from './secret-mask.ts';
import type { SessionDirectories, SessionDirectory } from '../sessions/session-directory.ts';
import { SupervisorError } from '../supervision/supervisor-control.ts';
import { argumentBytesMax, type CommandSpec as SupervisedCommand } from '../supervision/supervisor-request.ts';

const recoveriesMax = 5;
const inputTriesMax = 6;
const inputRetryMsMax = 5_000;
/** The number of `command.started` among a command's events. */
const startedNumber = 2;
/** No container's: the command was started, and nothing tells in which. */
const unknownBoot = '';

export interface CommandExecutionDeps {
  sandboxes: Sandboxes;
  directories: SessionDirectories;
  events: ProducerDeps & StoredEndDeps;
  acknowledgements: Acknowledgements;
  readSecret: ReadSecret;
  networkVariables: Egress['variables'];
  turns: CommandTurns;
  clock: () => number;
}

/** The sandbox is not there and the command was never started in it. */
export class SandboxGone extends Error {
  override readonly name = 'SandboxGone';
}

export interface ExecutionControl {
  /** Aborted when this process lets go of the command, which goes on. */
  signal: AbortSignal;
  /** Aborted, with the reason, when it was canceled; one that has not begun then never does. */
  cancelWished: AbortSignal;
  /** Called once the command is recorded by its supervisor; cancels and input reach it from then on. */
  onStarted(sandbox: OpenSandbox): void;
}

export interface ExecutedCommand {
  result: CommandResult;
  /** Tidies up; until it has resolved the command must not be executed again by this process. */
  settle(result: CommandResult): Promise<void>;
}

export async function executeCommand(
  deps: CommandExecutionDeps,
  input: RunCommandInput,
  control: ExecutionControl,
): Promise<ExecutedCommand> {
  const commandId = input.command.id;
  const directory = deps.directories.at(input.sessionId);
  const known = directory.readResult(commandId);
  if (known) return { result: known, settle: () => directory.removeCommand(commandId) };
  const sandbox = await deps.sandboxes.attach(input);
  const requested = directory.wasRequested(commandId);
  // Without its request a command that was not started yet never will be.
  if (input.cancelReason !== null) directory.withdrawRequest(commandId);
  const ref: ProducerRef = { ...input, producer: commandId, signal: control.signal };
  const mayBeStored = requested || input.queuedRecorded || !sandbox;
  const stored = mayBeStored ? await recoverProducer(deps.events, ref) : newProducerState;
  let bootId = requested ? readStartedBoot(directory, commandId) : undefined;
  if (stored.number >= startedNumber) bootId ??= unknownBoot;
  if (bootId === undefined && input.cancelReason === null) {
    if (deps.sandboxes.isDraining()) throw new RunnerDraining('the runner is stopping');
    if (!sandbox) throw await sandboxGone(directory, input);
  }
  const over = new AbortController();
  const attempt: Attempt = { deps, input, control, directory, sandbox, bootId, over: over.signal, endTurn: nothing };
  try {
    return { result: await execute(attempt, ref, stored), settle: (result) => settle(attempt, result) };
  } finally {
    over.abort();
    attempt.endTurn();
  }
}

function nothing(): void {}

/** Not before its result is kept is a command's journal removed: one of both says that it must not be started again. */
async function settle({ deps, directory, input }: Attempt, result: CommandResult): Promise<void> {
  const commandId = input.command.id;
  try {
    await directory.writeResult(commandId, result);
    await directory.removeCommand(commandId);
  } catch (error) {
    deps.events.log.warn({ err: error, commandId }, 'the files of an ended command could not be removed');
  }
}

/** Nothing can start the command there any more: its request, which can hold secrets, goes with the sandbox. */
async function sandboxGone(directory: SessionDirectory, input: RunCommandInput, cause?: unknown): Promise<SandboxGone> {
  await directory.removeCommand(input.command.id);
  return new SandboxGone(`the sandbox of ${input.sessionId} is not here`, { cause });
}

interface Attempt {
  deps: CommandExecutionDeps;
  input: RunCommandInput;
  control: ExecutionControl;
  directory: SessionDirectory;
  sandbox: OpenSandbox | undefined;
  /** Of the container in which the command was started; undefined when it was not yet. */
  bootId: string | undefined;
  /** Aborted once its end is known, or this attempt has failed. */
  over: AbortSignal;
  endTurn: EndTurn;
}

async function execute(attempt: Attempt, ref: ProducerRef, stored: ProducerState): Promise<CommandResult> {
  let state = stored;
  const running = begin(attempt);
  running.environment.catch(() => undefined);
  running.started.catch(() => undefined);
  for (let recoveries = 0; ; recoveries += 1) {
    if (state.ended) return await endedElsewhere(attempt, ref);
    try {
      return await publish(attempt, ref, state, running);
    } catch (error) {
      if (!(error instanceof StaleProducerError) || recoveries === recoveriesMax) throw error;
      state = await recoverProducer(attempt.deps.events, ref);
    }
  }
}

async function publish(
  attempt: Attempt,
  ref: ProducerRef,
  state: ProducerState,
  running: Running,
): Promise<CommandResult> {
  const { deps, input } = attempt;
  const producer = createProducer(deps.events, ref, state);
  const { clock } = deps;
  const { command } = input;
  const reading = new AbortController();
  const stored = deps.acknowledgements.open(async (position) => attempt.sandbox?.link.ack(command.id, position));
  // What an earlier attempt stored it may not have acknowledged.
  if (state.position > 0) stored.stored(state.position);
  try {
    const { secrets } = await running.environment;
    const publication: Publication = {
      command,
      producer,
      clock,
      mask: createSecretMask(secrets),
      heldBackFrom: heldBackFrom(input),
      acknowledge: (position) => stored.stored(position),
    };
    return (await publishCommand(publication, framesOf(attempt, running, reading.signal))).result;
  } catch (error) {
    const why = whyNotStarted(error);
    if (why === undefined) throw error;
    return (await publishUnstarted({ command, producer, clock }, why)).result;
  } finally {
    stored.close();
    reading.abort();
  }
}

interface Running {
  environment: Promise<CommandEnvironment>;
  /** The supervisor has recorded the command. */
  started: Promise<void>;
}

/** Starts the command, unless that happened before, while its first event is on its way. */
function begin(attempt: Attempt): Running {
  const { deps, input, sandbox } = attempt;
  if (attempt.bootId !== undefined) {
    if (liveSandbox(attempt)) attempt.endTurn = deps.turns.take(input);
    const environment = requestedSecrets(attempt).then((values) => ({ env: {}, secrets: values }));
    return { environment, started: joinStarted(attempt) };
  }
  if (input.cancelReason !== null) {
    const canceled = Promise.reject(new CanceledBefore(input.cancelReason));
    return { environment: canceled, started: canceled };
  }
  const network = deps.networkVariables(sandbox?.record.egress);
  const given = { imageEnv: sandbox?.record.imageEnv ?? [], network };
  const environment = resolveCommandEnvironment(input, given, deps.readSecret);
  const started = environment.then(async ({ env }) => {
    await waitForTurn(attempt);
    await start(attempt, env);
  });
  return { environment, started };
}

/** The history shows meanwhile that the command is queued. @throws CanceledBefore, SandboxGone, RunnerDraining */
async function waitForTurn(attempt: Attempt): Promise<void> {
  const { deps, input, control, sandbox } = attempt;
  const lost = sandbox ? [sandbox.lost] : [];
  const endTurn = await deps.turns
    .wait(input, AbortSignal.any([control.signal, control.cancelWished, attempt.over, ...lost]))
    .catch(async (error: unknown) => {
      if (control.cancelWished.aborted) throw new CanceledBefore(String(control.cancelWished.reason));
      if (sandbox?.lost.aborted) throw await sandboxGone(attempt.directory, input, error);
      throw error;
    });
  // This attempt was over first: nobody else would end the turn.
  if (attempt.over.aborted) endTurn();
  else attempt.endTurn = endTurn;
  attempt.over.throwIfAborted();
  if (deps.sandboxes.isDraining()) throw new RunnerDraining('the runner is stopping');
}

async function start(attempt: Attempt, env: Record<string, string>): Promise<void> {
  const { input, sandbox, control, deps } = attempt;
  if (!sandbox) return;
  try {
    await sandbox.link.start(supervised(input, sandbox.record.shell, env), { signal: control.signal });
  } catch (error) {
    if (!(error instanceof SupervisorError) || !error.retryable || (await deps.sandboxes.verify(sandbox))) throw error;
    // The container is gone. Whether the command was started before that is in its journal.
    const bootId = readStartedBoot(attempt.directory, input.command.id);
    if (bootId === undefined) throw await sandboxGone(attempt.directory, input, error);
    return;
  }
  control.onStarted(sandbox);
  await giveInput(attempt, sandbox);
}

async function requestedSecrets({ input, directory, bootId }: Attempt): Promise<string[]> {
  // Without a header nothing of the journal is read: there is nothing to mask.
  if (bootId === unknownBoot) return [];
  return readRequestedSecrets(input, () => directory.readRequest(input.command.id));
}

/** After a restart of the runner: input may not have been handed over yet. */
async function joinStarted(attempt: Attempt): Promise<void> {
  const sandbox = liveSandbox(attempt);
  if (!sandbox) return;
  attempt.control.onStarted(sandbox);
  await giveInput(attempt, sandbox);
}

/** The command waits for its input: where that cannot be handed over, it is canceled. Never rejects. */
async function giveInput(attempt: Attempt, { link, lost }: OpenSandbox): Promise<void> {
  const { id, stdin } = attempt.input.command;
  if (!stdin) return;
  const over = AbortSignal.any([attempt.over, attempt.control.signal, lost]);
  for (let tries = 1; !over.aborted; tries += 1) {
    try {
      if (tries > inputTriesMax) await link.cancel(id, { graceMs: 0, reason: 'its input could not be handed over' });
      else await link.writeStdin(id, Buffer.from(stdin, 'utf8'), { offset: 0, close: true });
      return;
    } catch (error) {
      attempt.deps.events.log.warn({ err: error, commandId: id }, 'the input of a command could not be handed over');
      await delay(Math.min(inputRetryMsMax, 50 * 2 ** tries), undefined, { signal: over }).catch(() => undefined);
    }
  }
}

/** The sandbox, if it is the very one in which the command runs. */
function liveSandbox({ sandbox, bootId }: Attempt): OpenSandbox | undefined {
  return bootId === undefined || sandbox?.bootId === bootId ? sandbox : undefined;
}

async function* framesOf(
  attempt: Attempt,
  running: Running,
  signal: AbortSignal,
): AsyncGenerator<JournalFrame, void, void> {
  const frames = readCommandFrames({
    commandId: attempt.input.command.id,
    runPath: attempt.directory.runPath,
    sandbox: liveSandbox(attempt),
    signal: AbortSignal.any([attempt.control.signal, signal]),
  });
  // The journal is watched while the command is being started: what it prints at once is not waited for twice.
  const failed = running.started.then(() => new Promise<never>(() => undefined));
  try {
    const first = await Promise.race([frames.next(), failed]);
    if (first.done) return await running.started;
    yield first.value;
    yield* frames;
  } catch (error) {
    if (error instanceof JournalCorrupt) await stopRunning(attempt, 'journal_corrupt');
    throw error;
  }
}

/** The command's end is told without its journal: it must not run on here. */
async function stopRunning({ input, sandbox }: Attempt, reason: string): Promise<void> {
  await sandbox?.link.cancel(input.command.id, { graceMs: 0, reason }).catch(() => undefined);
}

function supervised(input: RunCommandInput, shell: string, env: Record<string, string>): SupervisedCommand {
  const { command } = input;
  const { outputBytesMax } = input.environment.resources;
  return {
    id: command.id,
    argv: shellArguments(shell, command.command),
    env,
    cwd: command.cwd === '' ? workspacePath : join(workspacePath, command.cwd),
    timeoutMs: Math.round((command.timeoutSeconds ?? 0) * 1000),
    graceMs: Math.round(input.cancelGraceSeconds * 1000),
    outputBytesMax,
    ...tailOf(input),
    // An empty input needs no pipe.
    stdin: command.stdin === '' ? 'null' : 'file',
  };
}

/** How much of the end is kept of an output above its limit: at most half of what may be kept at all. */
function tailOf({ environment }: RunCommandInput): { outputTailBytes?: number } {
  const { outputBytesMax, outputOverflow } = environment.resources;
  if (outputOverflow !== 'keep_tail') return {};
  return { outputTailBytes: Math.min(limits.outputTailKeptBytesMax, Math.floor(outputBytesMax / 2)) };
}

function heldBackFrom(input: RunCommandInput): number | undefined {
  const { outputTailBytes } = tailOf(input);
  return outputTailBytes === undefined ? undefined : input.environment.resources.outputBytesMax - outputTailBytes;
}

/** One argument holds a byte less than a command may have: the longest ones go in two. */
export function shellArguments(shell: string, command: string): string[] {
  const bytes = Buffer.from(command, 'utf8');
  if (bytes.length <= argumentBytesMax) return [shell, '-c', command];
  let half = bytes.length >> 1;
  while ((bytes[half]! & 0xc0) === 0x80) half -= 1;
  return [shell, '-c', 'eval "$0$1"', bytes.toString('utf8', 0, half), bytes.toString('utf8', half)];
}

/** The boot id in the header of the command's journal: it was started. What follows the header is judged by who follows it. */
function readStartedBoot(directory: SessionDirectory, commandId: string): string | undefined {
  try {
    return readJournalHeader(join(directory.runPath, 'journals', commandId))?.bootId;
  } catch (error) {
    if (error instanceof JournalCorrupt) return unknownBoot;
    throw error;
  }
}

/** Canceled while no runner held it, and never started. */
class CanceledBefore extends Error {}

/** How a command ends that is not started, however often it is tried. */
function whyNotStarted(error: unknown): { outcome: 'failed_to_start' | 'canceled'; reason: string } | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof CanceledBefore) return { outcome: 'canceled', reason: error.message };
  const hopeless = error instanceof SecretUnusable || (error instanceof SupervisorError && !error.retryable);
  return hopeless ? { outcome: 'failed_to_start', reason: error.message } : undefined;
}

/** The history has its end already, written by another attempt or generation. */
async function endedElsewhere(attempt: Attempt, ref: ProducerRef): Promise<CommandResult> {
  await stopRunning(attempt, 'the command has ended elsewhere');
  return readStoredEnd(attempt.deps.events, ref);
}
