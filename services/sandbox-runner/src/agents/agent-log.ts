// What a runner has done with an agent in one turn, on its host's disk: who takes over goes on from it.
//
// 1. Events are written here before they are published, with how far in the agent's output they go: what the history lacks of them is
//    published again as it was, and what is not here yet follows from the rest of the output.
// 2. What a runner was asked by the agent is done before it is written here, and answered after.
// 3. A last line that is not whole was never acted upon.

import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentTurnResult } from '@worktrail/contract/agent-turns';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';

export interface ToldEvent {
  /** ISO 8601. */
  time: string;
  payload: EventPayloadInit;
}

export interface LogEntry {
  /** Of the container in which the agent was started. */
  begun?: { bootId: string; processId: string; time: string };
  /** All of the output before this is told. */
  upTo?: number;
  events?: ToldEvent[];
  served?: { key: string; answer: string };
  /** The number of a terminal that is about to be opened. */
  terminal?: number;
  result?: AgentTurnResult;
}

export interface AgentLog {
  readonly begun: LogEntry['begun'];
  readonly upTo: number;
  /** So many may have been opened. */
  readonly terminals: number;
  /** Those that were there when it was opened, in their order. */
  readonly events: readonly ToldEvent[];
  readonly result: AgentTurnResult | undefined;
  answerTo(key: string): string | undefined;
  add(entry: LogEntry): void;
  close(): void;
}

export function agentLogPath(sessionDirectory: string, turnId: string): string {
  return join(sessionDirectory, 'agents', `${turnId}.jsonl`);
}

/** Turns that have a log. */
export async function listAgentLogs(sessionDirectory: string): Promise<string[]> {
  const names = await readdir(join(sessionDirectory, 'agents')).catch(() => []);
  return names.flatMap((name) => (name.endsWith('.jsonl') ? [name.slice(0, -'.jsonl'.length)] : []));
}

export async function removeAgentLog(sessionDirectory: string, turnId: string): Promise<void> {
  await rm(agentLogPath(sessionDirectory, turnId), { force: true });
}

/** The file is made with its first entry. */
export function openAgentLog(sessionDirectory: string, turnId: string): AgentLog {
  const path = agentLogPath(sessionDirectory, turnId);
  let begun: LogEntry['begun'];
  let upTo = 0;
  let terminals = 0;
  let result: AgentTurnResult | undefined;
  const events: ToldEvent[] = [];
  const served = new Map<string, string>();
  let file: number | undefined;

  function take(entry: LogEntry): void {
    begun ??= entry.begun;
    upTo = Math.max(upTo, entry.upTo ?? 0);
    terminals = Math.max(terminals, entry.terminal ?? 0);
    result ??= entry.result;
    if (entry.served) served.set(entry.served.key, entry.served.answer);
  }

  const bytes = readIfThere(path);
  const whole = bytes ? bytes.lastIndexOf(10) + 1 : 0;
  if (bytes && whole < bytes.length) truncateSync(path, whole);
  for (const line of (bytes ?? Buffer.alloc(0)).toString('utf8', 0, whole).split('\n')) {
    if (line === '') continue;
    const entry = JSON.parse(line, readBigInt) as LogEntry;
    events.push(...(entry.events ?? []));
    take(entry);
  }

  return {
    get begun() {
      return begun;
    },
    get upTo() {
      return upTo;
    },
    get terminals() {
      return terminals;
    },
    get result() {
      return result;
    },
    events,
    answerTo: (key) => served.get(key),
    add(entry) {
      if (file === undefined) {
        mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
        file = openSync(path, 'a', 0o600);
      }
      const line = Buffer.from(`${JSON.stringify(entry, writeBigInt)}\n`);
      for (let written = 0; written < line.length; ) written += writeSync(file, line, written);
      take(entry);
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function writeBigInt(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? { $bigint: value.toString() } : value;
}

function readBigInt(_: string, value: unknown): unknown {
  const text = typeof value === 'object' && value !== null && '$bigint' in value ? value.$bigint : undefined;
  return typeof text === 'string' ? BigInt(text) : value;
}
