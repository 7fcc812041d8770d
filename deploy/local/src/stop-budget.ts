/**
 * How long each step of a stop may take, so that all of them together keep one bound whatever hangs: no step takes what the later
 * ones need at least.
 */

/** A part that answers ends in this time. */
const PROCESS_AT_LEAST_MS = 300;
const EMPTY_ENGINE_AT_LEAST_MS = 1_500;
const CLEAN_UP_ENGINE_AT_LEAST_MS = 700;

export type StopStep = 'process' | 'empty-engine' | 'clean-up-engine';

const AT_LEAST_MS: Record<StopStep, number> = {
  process: PROCESS_AT_LEAST_MS,
  'empty-engine': EMPTY_ENGINE_AT_LEAST_MS,
  'clean-up-engine': CLEAN_UP_ENGINE_AT_LEAST_MS,
};

/** Of `leftMs`, what a step that wants `wantedMs` gets, given the steps that come after it. */
export function stopTimeMs(step: StopStep, wantedMs: number, leftMs: number, later: readonly StopStep[]): number {
  const reservedMs = later.reduce((sum, next) => sum + AT_LEAST_MS[next], 0);
  return Math.max(Math.min(wantedMs, leftMs - reservedMs), Math.min(wantedMs, AT_LEAST_MS[step]));
}
