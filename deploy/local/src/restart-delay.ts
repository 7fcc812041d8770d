/** How long a process that ended unasked waits before its next start. */

const FIRST_DELAY_MS = 200;
const DELAY_MAX_MS = 10_000;
/** A process that was ready for this long has recovered: its next failure counts as the first. */
const RECOVERED_AFTER_MS = 30_000;

/** `failures` counts from 1; the delay doubles with each and is bounded. */
export function restartDelayMs(failures: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1), DELAY_MAX_MS);
}

export function countFailure(failures: number, readyForMs: number): number {
  return readyForMs >= RECOVERED_AFTER_MS ? 1 : failures + 1;
}
