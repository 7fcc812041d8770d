// What the models have used that one sandbox calls, counted for its session: told to its workflow, and held against its limits.
//
// 1. What was counted is on the disk before it is told, and is told as one sum that only grows: a runner that takes over goes on from it.
// 2. What is not told yet counts as well. So a limit is exceeded by the calls that were under way when it was met, and by no other.
// 3. Telling waits for nobody and is not waited for; at most one message in `tellEveryMs`.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type AgentLimits, agentLimitsNone, type ReachedLimit, sessionLimitReached } from '@worktrail/contract/agents';
import type { SessionDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import type { ModelsCalled } from '@worktrail/contract/session-messages';
import type { TokenUsage } from '@worktrail/contract/turns';
import type { Logger } from '@worktrail/runtime/log';

const tellEveryMs = 1_000;

/** Of a session's document. */
export type SessionUse = Pick<SessionDocument, 'agentLimits' | 'agentUsage'>;

export interface ModelMeter {
  count(used: TokenUsage): void;
  /**
   * The limit that leaves no room for another call; null: there is none.
   * @throws where the session's limits were never read
   */
  limitReached(): Promise<ReachedLimit | null>;
  /** Tells what is not told yet, once. */
  close(): Promise<void>;
}

export interface ModelMeterDeps {
  /** Where the sum is kept. */
  path: string;
  readUse(): Promise<SessionUse>;
  tell(called: ModelsCalled): Promise<void>;
  log: Logger;
}

export function openModelMeter({ path, readUse, tell, log }: ModelMeterDeps): ModelMeter {
  let sum: ModelsCalled = readKept(path, log) ?? { meterId: newId('event'), used: nothing };
  let told = nothing;
  let known: SessionUse | undefined;
  const life = new AbortController();
  let telling: Promise<void> | undefined;

  /** False: it was not taken. */
  async function tellOnce(): Promise<boolean> {
    const now = sum;
    try {
      await tell(now);
      told = now.used;
      return true;
    } catch (err) {
      log.warn({ err }, 'what models have used could not be told to a session');
      return false;
    }
  }

  async function tellAll(): Promise<void> {
    while (sum.used !== told) {
      const isTaken = await tellOnce();
      if (life.signal.aborted && !isTaken) break;
      await delay(tellEveryMs, undefined, { signal: life.signal }).catch(() => undefined);
    }
    telling = undefined;
  }

  function tellOn(): void {
    if (sum.used !== told) telling ??= tellAll();
  }

  tellOn();
  return {
    count(used) {
      sum = { ...sum, used: added(sum.used, used) };
      try {
        writeFileSync(`${path}.tmp`, JSON.stringify(sum), { mode: 0o600 });
        renameSync(`${path}.tmp`, path);
      } catch (err) {
        log.warn({ err }, 'what models have used could not be kept: it is told while this process lives');
      }
      tellOn();
    },
    async limitReached() {
      try {
        known = await readUse();
      } catch (err) {
        if (!known) throw err;
      }
      return usedUp(known, { tokens: tokensOf(sum.used) - tokensOf(told), costUsd: sum.used.costUsd - told.costUsd });
    },
    async close() {
      life.abort();
      await telling;
    },
  };
}

const nothing: TokenUsage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, costUsd: 0 };

/** A call of a model is no step of an agent, and has no time of a turn. */
function usedUp({ agentLimits, agentUsage }: SessionUse, untold: { tokens: number; costUsd: number }) {
  const { tokens, costUsd } = agentLimits ?? agentLimitsNone;
  const limits: AgentLimits = { ...agentLimitsNone, tokens, costUsd };
  const used = { steps: 0, tokens: 0, costUsd: 0, seconds: 0, ...agentUsage };
  const all = { ...used, tokens: used.tokens + untold.tokens, costUsd: used.costUsd + untold.costUsd };
  return sessionLimitReached(all, limits);
}

function tokensOf({ inputTokens, outputTokens }: TokenUsage): number {
  return inputTokens + outputTokens;
}

function added(one: TokenUsage, other: TokenUsage): TokenUsage {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cachedInputTokens: one.cachedInputTokens + other.cachedInputTokens,
    costUsd: one.costUsd + other.costUsd,
  };
}

/** One that a crash of the host has cut off is none. */
function readKept(path: string, log: Logger): ModelsCalled | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ModelsCalled;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ err: error }, 'what models have used before could not be read');
    return undefined;
  }
}
