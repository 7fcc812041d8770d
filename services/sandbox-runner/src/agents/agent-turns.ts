// A message to an agent that runs in the sandbox: its process, what it says, what it asks for, until it has answered.
//
// 1. What the agent says is in the history once and in its order, whoever dies: it is told from its journal, with the log of what was told
//    beside it. What it asks to be done is done once, and answered once.
// 2. The message is given to it once. An agent that is gone with its sandbox has ended its turn; it is not begun again.
// 3. However the turn ends, the process has ended before that is said, and all that it has started with it.
// 4. An agent that says nothing for too long, too much, or something else than its protocol, ends the turn with that.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentTurnResult, PermissionAsked, RunAgentTurnInput } from '@worktrail/contract/agent-turns';
import { agentName } from '@worktrail/contract/agents';
import { workspacePath } from '@worktrail/contract/environment-variables';
import type { TokenUsage, TurnOutcome } from '@worktrail/contract/turns';
import { createProducer, type Producer, type ProducerDeps, recoverProducer } from '@worktrail/runtime/event-producer';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import {
  type ReadSecret,
  readRequestedSecrets,
  resolveCommandEnvironment,
  SecretUnusable,
} from '../commands/command-environment.ts';
import { SandboxGone } from '../commands/command-execution.ts';
import type { Egress } from '../egress/egress.ts';
import type { FileChanges } from '../files/file-change.ts';
import type { LiveFiles } from '../files/live-files.ts';
import { createKeyedLock } from '../host/keyed-lock.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { SessionDirectories, SessionDirectory } from '../sessions/session-directory.ts';
import type { EndFrame, JournalFrame } from '../supervision/journal-format.ts';
import { JournalCorrupt } from '../supervision/journal-format.ts';
import { SupervisorError } from '../supervision/supervisor-control.ts';
import { type AcpOptions, createAcpProtocol } from './acp-protocol.ts';
import { type AgentEffect, AgentMisbehaved, type AgentProtocol } from './agent-effects.ts';
import { type AgentFiles, createAgentFiles } from './agent-files.ts';
import { createAgentLines } from './agent-lines.ts';
import { type AgentLog, listAgentLogs, openAgentLog, removeAgentLog, type ToldEvent } from './agent-log.ts';
import {
  type AgentProcess,
  agentProcessId,
  endAgentProcess,
  framesLeft,
  readGiven,
  startAgentProcess,
} from './agent-process.ts';
import { type AgentProfile, startScript } from './agent-profile.ts';
import { agentProfiles } from './agent-profiles.ts';
import { createCodexProtocol } from './codex-protocol.ts';
import { type EarlierTurn, readEarlierTurns, withEarlierTurns } from './earlier-turns.ts';
import { createTextMask, type TextMask } from './text-mask.ts';
import { joinedDeltas } from './joined-deltas.ts';

export interface AgentTurnDeps {
  sandboxes: Pick<Sandboxes, 'attach' | 'verify'>;
  directories: SessionDirectories;
  live: LiveFiles;
  changes: FileChanges;
  events: ProducerDeps;
  trace: Pick<TraceClient, 'listEvents'>;
  readSecret: ReadSecret;
  networkVariables: Egress['variables'];
  /** Default: where it is in a sandbox. */
  workTree?: string;
  clock: () => number;
}

export interface AgentTurnControl {
  /** Aborted when this attempt lets go of the agent, which goes on. */
  detached: AbortSignal;
  /** Aborted when the turn is to end. */
  canceled: AbortSignal;
}

export interface AgentTurns {
  /** @throws SandboxGone only of an agent that was never started. */
  run(input: RunAgentTurnInput, control: AgentTurnControl): Promise<AgentTurnResult>;
}

/** Until it has been given the message. */
const beginningMsMax = 120_000;
/** An agent that was asked to stop has so long to do it by itself. */
const stopPatienceMs = 1_000;
/** Between TERM and KILL. Of one that has answered: so that it can write down what it knows. */
const answeredGraceMs = 2_000;
const stoppedGraceMs = 200;
/** What it says is put together for so long, and what it asks for. */
const quietMs = 20;
const shownComplaintMax = 300;
const noUsage: TokenUsage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, costUsd: 0 };
const commandNotFound = 127;
const lostWithSandbox = 'the agent was lost with its sandbox';

export function createAgentTurns(deps: AgentTurnDeps): AgentTurns {
  const lock = createKeyedLock();
  const files = createAgentFiles(deps);
  return { run: (input, control) => lock.run(input.turnId, () => runTurn({ ...deps, files }, input, control)) };
}

type Deps = AgentTurnDeps & { files: AgentFiles };

async function runTurn(deps: Deps, input: RunAgentTurnInput, control: AgentTurnControl): Promise<AgentTurnResult> {
  control.detached.throwIfAborted();
  const sandbox = await deps.sandboxes.attach(input);
  try {
    return await runTurnIn(sandbox, deps, input, control);
  } catch (error) {
    const isGone = sandbox && !control.detached.aborted && !(await deps.sandboxes.verify(sandbox));
    if (!isGone) throw error;
    return await runTurnIn(undefined, deps, input, control);
  }
}

async function runTurnIn(
  sandbox: OpenSandbox | undefined,
  deps: Deps,
  input: RunAgentTurnInput,
  control: AgentTurnControl,
): Promise<AgentTurnResult> {
  const directory = deps.directories.at(input.sessionId);
  const log = openAgentLog(directory.path, input.turnId);
  try {
    if (!log.begun) {
      if (input.mayHaveBegun) return endedWith('failed', lostWithSandbox);
      if (!sandbox) throw new SandboxGone(`the sandbox of ${input.sessionId} is not here`);
      if (input.stop || control.canceled.aborted) return endedWith('canceled', '');
      await endOthers(sandbox, directory, input.turnId);
    }
    return await goOn(deps, input, control, { directory, log, sandbox });
  } finally {
    log.close();
  }
}

interface Place {
  directory: SessionDirectory;
  log: AgentLog;
  sandbox: OpenSandbox | undefined;
}

async function goOn(
  deps: Deps,
  input: RunAgentTurnInput,
  control: AgentTurnControl,
  { directory, log, sandbox }: Place,
): Promise<AgentTurnResult> {
  const telling = await openTelling(deps, input, control, log);
  const processId = agentProcessId(input.turnId);
  if (!log.begun && sandbox) {
    log.add({ begun: { bootId: sandbox.bootId, processId, time: new Date(deps.clock()).toISOString() } });
  }
  const here = sandbox && sandbox.bootId === log.begun?.bootId ? sandbox : undefined;
  if (!log.result) {
    const drive = createDrive({ deps, input, control, log, telling, directory, sandbox: here, processId });
    const result = await drive.run();
    if (result) return result;
  }
  const result = log.result!;
  await telling.publish();
  const graceMs = result.kind === 'ended' && result.outcome === 'completed' ? answeredGraceMs : stoppedGraceMs;
  if (here) await endAgentProcess(here, processId, { graceMs, reason: 'its turn is over' });
  await sandbox?.link.removeCommand(processId);
  return result;
}

/** Of turns before, whose end came without their runner. */
async function endOthers(sandbox: OpenSandbox, directory: SessionDirectory, turnId: string): Promise<void> {
  for (const other of await listAgentLogs(directory.path)) {
    if (other === turnId) continue;
    const id = agentProcessId(other);
    await endAgentProcess(sandbox, id, { graceMs: stoppedGraceMs, reason: 'its turn is over' }).catch(() => undefined);
    await sandbox.link.removeCommand(id);
    await removeAgentLog(directory.path, other);
  }
}

function endedWith(outcome: TurnOutcome, reason: string): AgentTurnResult {
  return { kind: 'ended', outcome, reason, steps: 0, usage: noUsage, conversation: null };
}

interface Telling {
  /** What was logged and is not in the history yet. */
  publish(): Promise<void>;
  /** Written into the log with `entry`, then published. */
  tell(payloads: readonly EventPayloadInit[], entry: Omit<Parameters<AgentLog['add']>[0], 'events'>): Promise<void>;
}

async function openTelling(
  { events, clock }: Deps,
  input: RunAgentTurnInput,
  { detached }: AgentTurnControl,
  log: AgentLog,
): Promise<Telling> {
  const where = { ...input, signal: detached };
  const stored = await recoverProducer(events, where);
  const producer: Producer = createProducer(events, where, stored);
  const actor = { kind: 'agent', id: agentName(input.agent) } as const;
  const waiting: ToldEvent[] = log.events.slice(stored.number);
  async function publish(): Promise<void> {
    for (let next = waiting[0]; next; next = waiting[0]) {
      await producer.append({ actor, turnId: input.turnId, time: new Date(next.time), payload: next.payload });
      waiting.shift();
    }
  }
  return {
    publish,
    async tell(payloads, entry) {
      const time = new Date(clock()).toISOString();
      const told = payloads.map((payload) => ({ time, payload }));
      log.add({ ...entry, ...(told.length > 0 && { events: told }) });
      waiting.push(...told);
      await publish();
    },
  };
}

interface DriveInput {
  deps: Deps;
  input: RunAgentTurnInput;
  control: AgentTurnControl;
  log: AgentLog;
  telling: Telling;
  directory: SessionDirectory;
  /** undefined: it is gone, and the agent with it. */
  sandbox: OpenSandbox | undefined;
  processId: string;
}

type Ask = Extract<AgentEffect, { do: 'ask' }>;

function createDrive({ deps, input, control, log, telling, directory, sandbox, processId }: DriveInput) {
  const { agent, turnId } = input;
  const { workTree = workspacePath } = deps;
  const profile = agentProfiles[agent.kind as Exclude<typeof agent.kind, 'built_in'>];
  const lines = createAgentLines();
  const sent = new Set<string>();
  let protocol: AgentProtocol;
  let mask: TextMask = createTextMask([]);
  let process: AgentProcess | undefined;
  let pending: EventPayloadInit[] = [];
  /** As far as it goes in the agent's output. */
  let heardTo = 0;
  const asks = new Map<string, Ask>();

  /** Writes down what was told, with how far that goes. */
  async function flush(entry: Parameters<AgentLog['add']>[0] = {}, more: EventPayloadInit[] = []): Promise<void> {
    const told = joinedDeltas([...pending, ...more]).map(mask);
    pending = [];
    const upTo = Math.max(heardTo, log.upTo);
    if (told.length > 0 || Object.keys(entry).length > 0) await telling.tell(told, { ...entry, upTo });
  }

  async function send(key: string, bytes: string, how: { whole?: true | undefined } = {}): Promise<void> {
    if (sent.has(key)) return;
    sent.add(key);
    await process?.send(bytes, how);
  }

  async function serve({ key, request, answer, refuse }: Extract<AgentEffect, { do: 'serve' }>): Promise<void> {
    if (sent.has(key) || !sandbox) return;
    await flush();
    let bytes = log.answerTo(key);
    if (bytes === undefined) {
      const id = { key: `${turnId} ${key}`, timeMs: Date.parse(log.begun!.time) };
      const signal = AbortSignal.any([control.detached, sandbox.lost]);
      const served = await deps.files.serve(sandbox, request, id, signal);
      bytes = 'refusal' in served ? refuse(served.refusal) : answer(served.output);
      await flush({ served: { key, answer: bytes } }, 'refusal' in served ? [] : served.events);
    }
    await send(key, bytes);
  }

  async function ask(effect: Ask): Promise<void> {
    const { key, asked } = effect;
    if (sent.has(key) || !sandbox) return;
    const rule = agent.permissions[asked.toolKind];
    const decided = input.decided.find(({ toolCallId }) => toolCallId === asked.toolCallId)?.decision;
    if (rule !== 'ask') await send(key, effect.answer(rule));
    else if (decided) await send(key, effect.answer(decided));
    else asks.set(key, effect);
  }

  /** Answers how the turn ends, if it does. */
  async function apply(effects: readonly AgentEffect[], isTold: boolean) {
    for (const effect of effects) {
      switch (effect.do) {
        case 'tell':
          if (!isTold) pending.push(effect.payload);
          break;
        case 'send':
          await send(effect.key, effect.bytes, effect);
          break;
        case 'serve':
          await serve(effect);
          break;
        case 'ask':
          await ask(effect);
          break;
        case 'end':
          return effect;
      }
    }
    return undefined;
  }

  async function prepare(): Promise<void> {
    const given = readGiven(directory.runPath, processId);
    const { conversation } = input;
    const mine = conversation?.kind === agent.kind && conversation.command === agent.command ? conversation : null;
    let earlier: EarlierTurn[] = [];
    protocol = createProtocol(profile, {
      turnId,
      workTree,
      conversationId: mine?.id ?? null,
      prompt: (knows) => withEarlierTurns(input.text, earlier, knows ? (mine?.turnId ?? null) : null),
    });
    for (const key of protocol.sentKeys(given)) sent.add(key);
    if (!sandbox) return;
    if (!sent.has(protocol.messageKey)) earlier = await readEarlierTurns(deps.trace, input, control.detached);
    const start = await startOf(deps, input, { sandbox, processId, directory, profile, resume: mine?.id ?? null });
    mask = createTextMask(start.secrets);
    const { outputBytesMax } = input.environment.resources;
    const command = { ...start, cwd: workTree, outputBytesMax };
    process = await startAgentProcess(sandbox, processId, command, control.detached);
    // What was written and not handed over, because the runner died in between.
    if (given !== '') await process.send('', {});
  }

  async function finish(outcome: TurnOutcome, reason: string): Promise<void> {
    const closing = protocol.close().flatMap((effect) => (effect.do === 'tell' ? [effect.payload] : []));
    const id = protocol.conversationId();
    const { kind, command } = agent;
    const keeps = id !== null && outcome !== 'failed';
    const result: AgentTurnResult = {
      ...{ kind: 'ended', outcome, reason, steps: protocol.steps(), usage: protocol.usage() },
      conversation: keeps ? { kind, command, id, turnId } : null,
    };
    await flush({ result }, closing);
  }

  async function stop(): Promise<void> {
    for (const { key, answer } of asks.values()) await send(key, answer('canceled'));
    asks.clear();
    for (const effect of protocol.cancel()) if (effect.do === 'send') await send(effect.key, effect.bytes);
  }

  function limitReached(): string | null {
    const { steps, tokens, costUsd } = agent.limits;
    const used = protocol.usage();
    if (protocol.steps() > steps) return 'steps';
    if (used.inputTokens + used.outputTokens >= tokens) return 'tokens';
    return used.costUsd >= costUsd ? 'cost' : null;
  }

  function silenceMs(): number {
    const allowed = agent.limits.silenceSeconds * 1_000;
    return protocol.hasBegun() ? allowed : Math.min(allowed, beginningMsMax);
  }

  /** Answers what it asks for; undefined: it is over, and the log has the result. */
  async function follow(frames: AsyncGenerator<JournalFrame, void, void>): Promise<AgentTurnResult | undefined> {
    let next = frames.next();
    next.catch(() => undefined);
    let heardAtMs = deps.clock();
    let stopAtMs: number | undefined;
    const canceled = input.stop ? AbortSignal.abort() : control.canceled;
    const begun = await apply(protocol.begin(), false);
    if (begun?.do === 'end') return void (await finish(begun.outcome, begun.reason));
    for (;;) {
      if (canceled.aborted && stopAtMs === undefined) {
        stopAtMs = deps.clock() + stopPatienceMs;
      }
      if (stopAtMs !== undefined) await stop();
      const isQuiet = pending.length > 0 || asks.size > 0;
      const untilMs = stopAtMs ?? heardAtMs + silenceMs();
      const waitMs = isQuiet ? quietMs : Math.max(0, untilMs - deps.clock());
      const got = await firstOf(next, waitMs, stopAtMs === undefined ? canceled : undefined);
      if (got === 'canceled') continue;
      if (got === 'time') {
        await flush();
        if (asks.size > 0 && stopAtMs === undefined) return permissions([...asks.values()]);
        if (deps.clock() < untilMs) continue;
        if (stopAtMs !== undefined) return void (await finish('canceled', ''));
        const waited = Math.round(silenceMs() / 1_000);
        return void (await finish('failed', `the agent has said nothing for ${waited} seconds`));
      }
      if (got.done) return void (await finish('failed', lostWithSandbox));
      heardAtMs = deps.clock();
      for (const printed of lines.take(got.value)) {
        if (printed.what === 'end') return void (await over(printed.frame, stopAtMs !== undefined));
        if (printed.what === 'other') continue;
        const isTold = printed.end <= log.upTo;
        heardTo = printed.end;
        const end = await apply(protocol.accept(printed.text), isTold);
        if (end?.do === 'end') {
          return void (await (stopAtMs === undefined ? finish(end.outcome, end.reason) : finish('canceled', '')));
        }
        const limit = limitReached();
        if (limit !== null) return void (await finish('limit_reached', limit));
      }
      next = frames.next();
      next.catch(() => undefined);
    }
  }

  async function over(end: EndFrame, isStopped: boolean): Promise<void> {
    if (isStopped) return finish('canceled', '');
    return finish('failed', mask.text(describeEnd(end, profile, lines.complaint())));
  }

  return {
    /** As `follow`. */
    async run(): Promise<AgentTurnResult | undefined> {
      if (!profile.asks && Object.values(agent.permissions).some((rule) => rule !== 'allow')) {
        const result = endedWith(
          'failed',
          `${agent.kind} cannot be asked: it may only be had where everything is allowed`,
        );
        log.add({ result });
        return undefined;
      }
      try {
        await prepare();
      } catch (error) {
        const isHopeless = error instanceof SecretUnusable || (error instanceof SupervisorError && !error.retryable);
        if (!isHopeless) throw error;
        log.add({ result: endedWith('failed', error.message) });
        return undefined;
      }
      const left = new AbortController();
      const frames = sandbox
        ? process!.frames(AbortSignal.any([control.detached, sandbox.lost, left.signal]))
        : framesLeft(directory.runPath, processId);
      try {
        return await follow(frames);
      } catch (error) {
        if (error instanceof AgentMisbehaved) await finish('failed', error.message);
        else if (error instanceof JournalCorrupt) await finish('failed', 'what the agent has said cannot be read');
        else throw error;
        return undefined;
      } finally {
        left.abort();
      }
    },
  };
}

interface Starting {
  sandbox: OpenSandbox;
  processId: string;
  directory: SessionDirectory;
  profile: AgentProfile;
  resume: string | null;
}

/** @throws SecretUnusable */
async function startOf(
  deps: Deps,
  input: RunAgentTurnInput,
  { sandbox, processId, directory, profile, resume }: Starting,
): Promise<{ script: string; env: Record<string, string>; secrets: string[] }> {
  const asCommand = { ...input, command: { id: processId, env: {} } };
  const request = join(directory.runPath, 'requests', processId);
  if (existsSync(request)) {
    // It stands as it was written.
    return { script: '', env: {}, secrets: await readRequestedSecrets(asCommand, () => readFile(request, 'utf8')) };
  }
  const given = { imageEnv: sandbox.record.imageEnv, network: deps.networkVariables(sandbox.record.egress) };
  const { env, secrets } = await resolveCommandEnvironment(asCommand, given, deps.readSecret);
  const start = profile.start(input.agent, env, resume);
  return { script: startScript(start), env: { ...env, ...start.env }, secrets };
}

function permissions(asks: readonly Ask[]): AgentTurnResult {
  const asked = new Map<string, PermissionAsked>(asks.map((one) => [one.asked.toolCallId, one.asked]));
  return { kind: 'permissions', asked: [...asked.values()] };
}

function createProtocol(
  { speaks, offersFiles: files }: AgentProfile,
  options: Omit<AcpOptions, 'files'>,
): AgentProtocol {
  return speaks === 'acp' ? createAcpProtocol({ ...options, files }) : createCodexProtocol(options);
}

function describeEnd({ outcome, exitCode, reason }: EndFrame, { missing }: AgentProfile, complaint: string): string {
  if (outcome === 'exited' && exitCode === commandNotFound) return `the agent's command was not found: ${missing}`;
  if (outcome === 'output_limit') return "the agent's output is over the limit of a command's";
  const how = outcome === 'exited' ? `exited with ${exitCode}` : `ended as ${outcome}${reason && ` (${reason})`}`;
  const shown = complaint
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(-shownComplaintMax);
  return `the agent ${how} before it had answered${shown && `: ${shown}`}`;
}

function firstOf<T>(
  next: Promise<T>,
  waitMs: number,
  canceled: AbortSignal | undefined,
): Promise<T | 'time' | 'canceled'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve('time'), waitMs);
    const cancel = () => resolve('canceled');
    if (canceled?.aborted) cancel();
    canceled?.addEventListener('abort', cancel, { once: true });
    next.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      canceled?.removeEventListener('abort', cancel);
    });
  });
}
