import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRunnerSightings, type RunnerSightings, sightingBounds } from './runner-sightings.ts';

const { absentMs, graceMs, lateMs } = sightingBounds;
const startMs = Date.parse('2026-01-01T12:00:00.000Z');
const watchedMs = startMs + graceMs;
const none: ReadonlySet<string> = new Set();
const one: ReadonlySet<string> = new Set(['r']);

/** Looks every second from `fromMs` on, until `toMs`. */
function watch(
  sightings: RunnerSightings,
  fromMs: number,
  toMs: number,
  isAnnounced: (nowMs: number) => boolean,
): void {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1_000) {
    if (isAnnounced(nowMs)) sightings.looked(one, none, nowMs);
    else sightings.looked(none, one, nowMs);
  }
}

describe('a runner', () => {
  it('is lost once it has been missed for long enough, and not a look before', () => {
    const sightings = createRunnerSightings(startMs, sightingBounds);
    const isAnnounced = (nowMs: number) => nowMs < watchedMs + 60_000;
    watch(sightings, startMs, watchedMs + 60_000 + absentMs - 1_000, isAnnounced);
    expect(sightings.isLost('r')).toBe(false);
    watch(sightings, watchedMs + 60_000 + absentMs, watchedMs + 60_000 + absentMs, isAnnounced);
    expect(sightings.isLost('r')).toBe(true);
    expect(sightings.isLost('another')).toBe(false);
  });

  it('is not lost any more once it is seen again', () => {
    const sightings = createRunnerSightings(startMs, sightingBounds);
    watch(sightings, startMs, watchedMs + absentMs, () => false);
    expect(sightings.isLost('r')).toBe(true);
    sightings.looked(one, none, watchedMs + absentMs + 1);
    expect(sightings.isLost('r')).toBe(false);
  });

  it('that was never announced while this process lives is lost after the grace period', () => {
    const sightings = createRunnerSightings(startMs, sightingBounds);
    watch(sightings, startMs, watchedMs + absentMs - 1_000, () => false);
    expect(sightings.isLost('r')).toBe(false);
    watch(sightings, watchedMs + absentMs, watchedMs + absentMs, () => false);
    expect(sightings.isLost('r')).toBe(true);
  });

  it('is not lost because the watching process was stopped meanwhile, or its clock was set', () => {
    for (const jumpMs of [lateMs + 1, 15_000, 3_600_000, -60_000]) {
      const sightings = createRunnerSightings(startMs, sightingBounds);
      watch(sightings, startMs, watchedMs + 5_000, () => false);
      const wokenMs = watchedMs + 5_000 + jumpMs;
      watch(sightings, wokenMs, wokenMs + graceMs + absentMs - 1_000, () => false);
      expect(sightings.isLost('r')).toBe(false);
      watch(sightings, wokenMs + graceMs + absentMs, wokenMs + graceMs + absentMs, () => false);
      expect(sightings.isLost('r')).toBe(true);
    }
  });

  const happenings = fc.array(
    fc.record({
      afterMs: fc.constantFrom(500, 1_000, 1_000, 2_000, 2_999, 3_001, 20_000),
      what: fc.constantFrom('seen', 'missed', 'missed', 'missed', 'interrupted'),
    }),
    { maxLength: 60 },
  );

  it('is lost only after it was missed by every look for that long, with no interruption and no gap shortly before', () => {
    fc.assert(
      fc.property(happenings, (all) => {
        const sightings = createRunnerSightings(startMs, sightingBounds);
        let [nowMs, seenMs, interruptedMs] = [startMs, startMs, startMs];
        for (const { afterMs, what } of all) {
          nowMs += afterMs;
          if (what === 'interrupted') sightings.interrupted(nowMs);
          else sightings.looked(what === 'seen' ? one : none, what === 'seen' ? none : one, nowMs);
          if (what === 'seen') seenMs = nowMs;
          if (what === 'interrupted' || afterMs > lateMs) interruptedMs = nowMs;
          if (sightings.isLost('r')) {
            expect(nowMs - seenMs).toBeGreaterThanOrEqual(absentMs);
            expect(nowMs - interruptedMs).toBeGreaterThanOrEqual(graceMs + absentMs);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
