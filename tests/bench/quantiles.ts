// Order statistics of measured times.

export interface Quantiles {
  p50: number;
  p95: number;
  max: number;
}

/** By nearest rank. @throws on an empty list. */
export function quantiles(values: readonly number[]): Quantiles {
  if (values.length === 0) throw new Error('nothing was measured');
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
