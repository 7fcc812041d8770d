import { describe, expect, test } from 'vitest';
import { UsageError } from '../exit-codes.ts';
import { plannedAttempts } from './planned-attempts.ts';

describe('the attempts of a trial', () => {
  test('are the commands, and each message for each agent and model', () => {
    const attempts = plannedAttempts({
      attempt: ['make fast'],
      prepare: ['npm ci'],
      message: ['Make it fast.\nPlease.'],
      model: ['a/one', 'b/two'],
      maxSteps: 7,
    });
    const limits = { steps: 7 };
    const message = 'Make it fast.\nPlease.';
    expect(attempts).toEqual([
      { title: 'make fast', commands: ['make fast'] },
      { title: 'a/one: Make it fast.', commands: ['npm ci'], message, agent: { model: 'a/one', limits } },
      { title: 'b/two: Make it fast.', commands: ['npm ci'], message, agent: { model: 'b/two', limits } },
    ]);
  });

  test('are so many of one message as are wanted, told apart by number', () => {
    const attempts = plannedAttempts({ message: ['Try'], times: 3 });
    expect(attempts.map(({ title }) => title)).toEqual(['1: Try', '2: Try', '3: Try']);
    expect(attempts[0]).not.toHaveProperty('agent');
  });

  test('are not none, not too many, and no agent is named that is asked nothing', () => {
    expect(() => plannedAttempts({})).toThrow(UsageError);
    expect(() => plannedAttempts({ message: ['a', 'b'], times: 9 })).toThrow('at most 16');
    expect(() => plannedAttempts({ attempt: ['a'], model: ['m'] })).toThrow('--model is about messages');
  });
});
