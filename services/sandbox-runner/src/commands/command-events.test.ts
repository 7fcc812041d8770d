import { describe, expect, test } from 'vitest';
import { endOf } from './command-events.ts';
import type { EndFrame } from '../supervision/journal-format.ts';

const frame: EndFrame = {
  type: 'end',
  timeNs: 5_000_000n,
  outcome: 'canceled',
  exitCode: null,
  signal: 15,
  reason: 'user asked',
  stdoutBytes: 3,
  stderrBytes: 0,
  outputTruncated: false,
  userTimeUs: 1,
  systemTimeUs: 2,
  maxRssKib: 3,
};

describe('the end that a journal records', () => {
  test('is the one that the supervisor wrote', () => {
    const { result, endedMs } = endOf(frame, 1);
    expect(result).toEqual({
      outcome: 'canceled',
      reason: 'user asked',
      exitCode: null,
      signal: 'SIGTERM',
      stdoutBytes: 3,
      stderrBytes: 0,
    });
    expect(endedMs).toBe(5);
  });

  test('is the loss of its sandbox where the supervisor was told to stop: nobody canceled the command', () => {
    const { result } = endOf({ ...frame, reason: 'supervisor_stopped' }, 1);
    expect(result).toMatchObject({ outcome: 'sandbox_lost', reason: 'supervisor_stopped', signal: 'SIGTERM' });
  });
});
