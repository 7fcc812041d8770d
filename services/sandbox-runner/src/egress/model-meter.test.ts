// What models have used, counted for a session: told once in sum, held against its limits, kept where a runner dies.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelsCalled } from '@worktrail/contract/session-messages';
import { agentLimitsNone } from '@worktrail/contract/agents';
import { createLogger } from '@worktrail/runtime/log';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ModelMeter, openModelMeter, type SessionUse } from './model-meter.ts';

const log = createLogger({ service: 'test', level: 'silent' });
let directory: string;
let told: ModelsCalled[];
let use: SessionUse | Error;
let telling: (called: ModelsCalled) => Promise<void>;
const open: ModelMeter[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'meter-'));
  told = [];
  use = {};
  telling = async (called) => void told.push(called);
});
afterEach(async () => {
  for (const meter of open.splice(0)) await meter.close();
  rmSync(directory, { recursive: true });
});

function meter(): ModelMeter {
  const opened = openModelMeter({
    path: join(directory, 'models-called.json'),
    readUse: async () => {
      if (use instanceof Error) throw use;
      return use;
    },
    tell: (called) => telling(called),
    log,
  });
  open.push(opened);
  return opened;
}

const call = (inputTokens: number, costUsd = 0) => ({ inputTokens, outputTokens: 1, cachedInputTokens: 0, costUsd });
const limited = (limits: object, tokens = 0): SessionUse => ({
  agentLimits: { ...agentLimitsNone, ...limits },
  agentUsage: { steps: 0, tokens, costUsd: 0, seconds: 0 },
});

it('many calls are told as one sum, and the next runner goes on from it', async () => {
  const first = meter();
  for (let count = 0; count < 100; count += 1) first.count(call(9, 0.5));
  await first.close();
  expect(told.length).toBeLessThanOrEqual(3);
  expect(told.at(-1)?.used).toEqual({ inputTokens: 900, outputTokens: 100, cachedInputTokens: 0, costUsd: 50 });
  const next = meter();
  next.count(call(1));
  await next.close();
  expect(told.at(-1)).toMatchObject({ meterId: told[0]?.meterId, used: { inputTokens: 901, outputTokens: 101 } });
});

it('what was not told when a runner died is told by the next one', async () => {
  telling = async () => {
    throw new Error('away');
  };
  const first = meter();
  first.count(call(9));
  await first.close();
  telling = async (called) => void told.push(called);
  await meter().close();
  expect(told).toMatchObject([{ used: { inputTokens: 9, outputTokens: 1 } }]);
});

it('a sum that cannot be kept or read is counted all the same, and a new one is begun', async () => {
  const path = join(directory, 'models-called.json');
  writeFileSync(path, '{"meterId":');
  const first = meter();
  rmSync(directory, { recursive: true });
  first.count(call(9));
  await first.close();
  expect(told).toMatchObject([{ used: { inputTokens: 9 } }]);
  mkdirSync(directory);
});

it('a sandbox that calls no model tells nothing', async () => {
  await meter().close();
  expect(told).toEqual([]);
});

it('a limit of the session counts what its document tells and what is not told yet, at its very bound', async () => {
  const one = meter();
  use = limited({ tokens: 100, costUsd: 1, steps: 0, seconds: 0 }, 90);
  expect(await one.limitReached()).toBeNull();
  telling = async () => {
    throw new Error('away');
  };
  one.count(call(8));
  expect(await one.limitReached()).toBeNull();
  one.count(call(0));
  expect(await one.limitReached()).toEqual({ name: 'session_tokens', detail: 'the session may take 100 tokens' });
  use = limited({ costUsd: 1 });
  expect(await one.limitReached()).toBeNull();
  one.count(call(0, 1));
  expect(await one.limitReached()).toMatchObject({ name: 'session_cost' });
});

it('while the document cannot be read the limits are as they were, and without any no model is called', async () => {
  const one = meter();
  use = new Error('away');
  await expect(one.limitReached()).rejects.toThrow('away');
  use = limited({ tokens: 1 }, 1);
  await one.limitReached();
  use = new Error('away');
  expect(await one.limitReached()).toMatchObject({ name: 'session_tokens' });
});
