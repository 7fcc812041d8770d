// An agent in one attempt: what it prints is applied, line by line, to what is sent, told, served and asked, until it is over or waits for
// somebody. The log, the journal and the input file say what an attempt before has done of it.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentTurnResult, PermissionAsked } from '@worktrail/contract/agent-turns';
import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import { silenceSecondsDefault } from '@worktrail/contract/agents';
import { workspacePath } from '@worktrail/contract/environment-variables';
import type { TokenUsage, TurnOutcome } from '@worktrail/contract/turns';
import type { EventPayloadInit, ProducerDeps } from '@worktrail/runtime/event-producer';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import {
  type ReadSecret,
  readRequestedSecrets,
  resolveCommandEnvironment,
  SecretUnusable,
} from '../commands/command-environment.ts';
import type { Egress } from '../egress/egress.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';
import { type EndFrame, JournalCorrupt, type JournalFrame } from '../supervision/journal-format.ts';
import { SupervisorError } from '../supervision/supervisor-control.ts';
import { type AcpOptions, createAcpProtocol } from './acp-protocol.ts';
import {
  type AgentEffect,
  AgentMisbehaved,
  type AgentProtocol,
  type Decision,
  type TerminalEnd,
} from './agent-effects.ts';
import type { AgentFiles } from './agent-files.ts';
import { createAgentLines } from './agent-lines.ts';
import type { AgentLog, LogEntry } from './agent-log.ts';
import { type AgentProcess, framesLeft, readGiven, startAgentProcess } from './agent-process.ts';
import { type AgentProfile, startScript } from './agent-profile.ts';
import { endedBefore } from './agent-telling.ts';
import { type AgentTerminals, createAgentTerminals, type TerminalOutput } from './agent-terminals.ts';
import { agentProfiles } from './agent-profiles.ts';
import { createCodexProtocol } from './codex-protocol.ts';
import { readEarlierTurns, type SaidBefore, withEarlierTurns } from './earlier-turns.ts';
import { joinedDeltas } from './joined-deltas.ts';
import { createTextMask, type TextMask } from './text-mask.ts';
import type { ToldEvents } from './told-events.ts';

export interface AgentDriveDeps {
  files: AgentFiles;
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

/** Until it has been given the message. */
const beginningMsMax = 120_000;
/** An agent that was asked to stop has so long to do it by itself. */
const stopPatienceMs = 1_000;
/** What it says is put together for so long, and what it asks for. */
const quietMs = 20;
const shownComplaintMax = 300;
const noUsage: TokenUsage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, costUsd: 0 };
const commandNotFound = 127;
export const lostWithSandbox = 'the agent was lost with its sandbox';

interface DriveInput {
  deps: AgentDriveDeps;
  input: RunAgentTurnInput;
  control: AgentTurnControl;
  log: AgentLog;
  telling: ToldEvents;
  directory: SessionDirectory;
  /** undefined: it is gone, and the agent with it. */
  sandbox: OpenSandbox | undefined;
  processId: string;
}

type Terminal = Extract<AgentEffect, { do: 'terminal' }>;
/** What waits for a decision: about what, and what follows from a cancel. */
type Ask = { asked: PermissionAsked; key: string; canceled(): string };

export function createAgentDrive({ deps, input, control, log, telling, directory, sandbox, processId }: DriveInput) {
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
  let terminals: AgentTerminals | undefined;
  /** Requests to hear of a terminal's end. */
  const waits = new Map<string, Terminal>();
  /** Those that were opened here and whose end is not told. */
  const openTerminals = new Set<number>();
  const released = new Set<number>();

  /** Writes down what was told, with how far that goes. */
  async function flush(entry: LogEntry = {}, more: EventPayloadInit[] = []): Promise<void> {
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

  function decisionOn({ toolKind, toolCallId: id }: PermissionAsked): Decision | undefined {
    const rule = agent.permissions[toolKind];
    if (rule !== 'ask') return rule;
    return input.decided.find(({ toolCallId }) => toolCallId === id)?.decision;
  }

  async function ask({ key, asked, answer }: Extract<AgentEffect, { do: 'ask' }>): Promise<void> {
    if (sent.has(key) || !sandbox) return;
    const decision = decisionOn(asked);
    if (decision) await send(key, answer(decision));
    else asks.set(key, { key, asked, canceled: () => answer('canceled') });
  }

  async function inTerminal(effect: Terminal): Promise<void> {
    const { key, request, answer, refuse } = effect;
    const { terminal } = request;
    const isEnded = log.answerTo(endKey(terminal)) !== undefined;
    if (request.what === 'open') {
      if (isEnded) protocol.terminalEnded(terminal, nothingMore);
      return openTerminal({ ...effect, request });
    }
    if (sent.has(key) || !terminals) return;
    const seen = terminals.read(terminal);
    if (!seen) return send(key, refuse('there is no such terminal'));
    if (request.what === 'release') {
      released.add(terminal);
      if (!openTerminals.has(terminal)) terminals.forget(terminal);
    }
    if (request.what === 'kill' || request.what === 'release') {
      await terminals.end(terminal);
      return send(key, answer({}));
    }
    const { output, truncated, exit } = seen;
    if (request.what === 'read') return send(key, answer({ output, truncated, ...(exit && { exitStatus: exit }) }));
    if (exit) return send(key, answer(exit));
    waits.set(key, effect);
  }

  async function openTerminal({
    key,
    request,
    answer,
    refuse,
  }: Terminal & { request: { what: 'open' } }): Promise<void> {
    if (!terminals) return;
    const { terminal, command, asked } = request;
    // By the terminal's number: the request's id is the agent's, which may use it again.
    const opening = `terminal ${terminal} opened`;
    const before = log.answerTo(opening) ?? log.answerTo(endKey(terminal));
    const isOpen = log.answerTo(opening) !== undefined;
    if (before !== undefined && !isOpen) return send(key, before);
    const decision = isOpen ? 'allow' : decisionOn(asked);
    if (!decision) {
      asks.set(key, { key, asked, canceled: () => refuse('its turn is canceled') });
      return;
    }
    await flush();
    if (!isOpen && decision === 'allow') log.add({ terminal });
    const refusal = decision === 'deny' ? 'it is not permitted' : await terminals.open(terminal, command, isOpen);
    if (refusal !== undefined) {
      const end = { failed: true, output: '', cut: false, error: refusal };
      const bytes = refuse(refusal);
      await flush(
        { served: { key: endKey(terminal), answer: bytes } },
        tellings(protocol.terminalEnded(terminal, end)),
      );
      return send(key, bytes);
    }
    if (log.answerTo(endKey(terminal)) === undefined) openTerminals.add(terminal);
    const bytes = before ?? answer({});
    if (!isOpen) await flush({ served: { key: opening, answer: bytes } });
    await send(key, bytes);
  }

  /** Tells of the end of one, once, and those that have waited for it. */
  async function terminalOver(): Promise<void> {
    const terminal = terminals?.takeEnded();
    const seen = terminal && terminals?.read(terminal);
    if (!terminal || !seen) return;
    if (openTerminals.delete(terminal)) {
      const told = tellings(protocol.terminalEnded(terminal, endOf(seen)));
      await flush({ served: { key: endKey(terminal), answer: '' } }, told);
    }
    for (const [key, { request, answer }] of waits) {
      if (request.terminal !== terminal) continue;
      waits.delete(key);
      await send(key, answer(seen.exit!));
    }
    if (released.has(terminal)) terminals?.forget(terminal);
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
        case 'terminal':
          await inTerminal(effect);
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
    let earlier: SaidBefore[] = [];
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

  async function finish(outcome: TurnOutcome, reason: string): Promise<AgentTurnResult> {
    const left = [...openTerminals].flatMap((one) => protocol.terminalEnded(one, endOf(terminals!.read(one)!)));
    const closing = tellings([...left, ...protocol.close()]);
    const id = protocol.conversationId();
    const { kind, command } = agent;
    const keeps = id !== null && outcome !== 'failed';
    const result: AgentTurnResult = {
      ...{ kind: 'ended', outcome, reason, steps: protocol.steps(), usage: protocol.usage() },
      conversation: keeps ? { kind, command, id, turnId } : null,
    };
    await flush({ result }, closing);
    return result;
  }

  async function stop(): Promise<void> {
    for (const { key, canceled } of asks.values()) await send(key, canceled());
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
    const allowed = (agent.silenceSeconds ?? silenceSecondsDefault) * 1_000;
    return protocol.hasBegun() ? allowed : Math.min(allowed, beginningMsMax);
  }

  /** Until it is over, which the log then says, or asks for something. */
  async function follow(frames: AsyncGenerator<JournalFrame, void, void>): Promise<AgentTurnResult> {
    let next = frames.next();
    next.catch(() => undefined);
    let heardAtMs = deps.clock();
    let stopAtMs: number | undefined;
    const canceled = input.stop ? AbortSignal.abort() : control.canceled;
    const begun = await apply(protocol.begin(), false);
    if (begun?.do === 'end') return await finish(begun.outcome, begun.reason);
    for (;;) {
      if (canceled.aborted && stopAtMs === undefined) {
        stopAtMs = deps.clock() + stopPatienceMs;
      }
      if (stopAtMs !== undefined) await stop();
      const isQuiet = pending.length > 0 || asks.size > 0;
      // One that waits for a command says nothing meanwhile.
      if (waits.size > 0) heardAtMs = deps.clock();
      const untilMs = stopAtMs ?? heardAtMs + silenceMs();
      const waitMs = isQuiet ? quietMs : Math.max(0, untilMs - deps.clock());
      const got = await firstOf(next, waitMs, { terminals, canceled: stopAtMs === undefined ? canceled : undefined });
      if (got === 'canceled') continue;
      if (got === 'terminal') {
        await terminalOver();
        continue;
      }
      if (got === 'time') {
        await flush();
        if (asks.size > 0 && stopAtMs === undefined) return permissions([...asks.values()]);
        if (deps.clock() < untilMs) continue;
        if (stopAtMs !== undefined) return await finish('canceled', '');
        const waited = Math.round(silenceMs() / 1_000);
        return await finish('failed', `the agent has said nothing for ${waited} seconds`);
      }
      if (got.done) return await finish('failed', lostWithSandbox);
      heardAtMs = deps.clock();
      for (const printed of lines.take(got.value)) {
        if (printed.what === 'end') return await over(printed.frame, stopAtMs !== undefined);
        if (printed.what === 'other') continue;
        const isTold = printed.end <= log.upTo;
        heardTo = printed.end;
        const end = await apply(protocol.accept(printed.text), isTold);
        if (end?.do === 'end') {
          return await (stopAtMs === undefined ? finish(end.outcome, end.reason) : finish('canceled', ''));
        }
        const limit = limitReached();
        if (limit !== null) return await finish('limit_reached', limit);
      }
      next = frames.next();
      next.catch(() => undefined);
    }
  }

  async function over(end: EndFrame, isStopped: boolean): Promise<AgentTurnResult> {
    if (isStopped) return finish('canceled', '');
    return finish('failed', mask.text(describeEnd(end, profile, lines.complaint())));
  }

  function refused(reason: string): AgentTurnResult {
    const result = endedWith('failed', reason);
    log.add({ result });
    return result;
  }

  return {
    /** As `follow`. */
    async run(): Promise<AgentTurnResult> {
      if (!profile.asks && Object.values(agent.permissions).some((rule) => rule !== 'allow')) {
        return refused(`${agent.kind} cannot be asked: it may only be had where everything is allowed`);
      }
      try {
        await prepare();
      } catch (error) {
        const isHopeless = error instanceof SecretUnusable || (error instanceof SupervisorError && !error.retryable);
        if (!isHopeless) throw error;
        return refused(error.message);
      }
      const left = new AbortController();
      const until = AbortSignal.any([control.detached, left.signal, ...(sandbox ? [sandbox.lost] : [])]);
      terminals = sandbox && createAgentTerminals({ sandbox, turnId, processId, workTree }, until);
      const frames = sandbox ? process!.frames(until) : framesLeft(directory.runPath, processId);
      try {
        return await follow(frames);
      } catch (error) {
        if (error instanceof AgentMisbehaved) return await finish('failed', error.message);
        if (error instanceof SupervisorError && !error.retryable) return await finish('failed', error.message);
        if (error instanceof JournalCorrupt) return await finish('failed', 'what the agent has said cannot be read');
        throw error;
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
  deps: AgentDriveDeps,
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

function endKey(terminal: number): string {
  return `terminal ${terminal} ended`;
}

const nothingMore: TerminalEnd = { failed: true, output: '', cut: false };

function endOf({ output, truncated: cut, exit, reason }: TerminalOutput): TerminalEnd {
  const exitCode = exit?.exitCode ?? undefined;
  const error = exit ? reason : endedBefore;
  return {
    ...{ failed: exitCode !== 0, output, cut },
    ...(error && { error }),
    ...(exitCode !== undefined && { exitCode }),
  };
}

function tellings(effects: readonly AgentEffect[]): EventPayloadInit[] {
  return effects.flatMap((effect) => (effect.do === 'tell' ? [effect.payload] : []));
}

function permissions(asks: readonly Ask[]): AgentTurnResult {
  const asked = new Map<string, PermissionAsked>(asks.map((one) => [one.asked.toolCallId, one.asked]));
  return { kind: 'permissions', asked: [...asked.values()] };
}

function createProtocol(
  { speaks, offersFiles: files, offersTerminals: terminals }: AgentProfile,
  options: Omit<AcpOptions, 'files' | 'terminals'>,
): AgentProtocol {
  return speaks === 'acp' ? createAcpProtocol({ ...options, files, terminals }) : createCodexProtocol(options);
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

interface Interrupts {
  canceled: AbortSignal | undefined;
  terminals: AgentTerminals | undefined;
}

function firstOf<T>(
  next: Promise<T>,
  waitMs: number,
  { canceled, terminals }: Interrupts,
): Promise<T | 'time' | 'canceled' | 'terminal'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle('time'), waitMs);
    const cancel = () => settle('canceled');
    const settle = (got: T | 'time' | 'canceled' | 'terminal') => {
      clearTimeout(timer);
      canceled?.removeEventListener('abort', cancel);
      terminals?.onEnded(undefined);
      resolve(got);
    };
    next.then(settle, (error: unknown) => {
      clearTimeout(timer);
      reject(error);
    });
    if (canceled?.aborted) cancel();
    canceled?.addEventListener('abort', cancel, { once: true });
    terminals?.onEnded(() => settle('terminal'));
  });
}

export function endedWith(outcome: TurnOutcome, reason: string): AgentTurnResult & { kind: 'ended' } {
  return { kind: 'ended', outcome, reason, steps: 0, usage: noUsage, conversation: null };
}
