// Prometheus' text format, as far as a sum over each metric's series needs it.

export type Metrics = ReadonlyMap<string, number>;

const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})?\s+(\S+)(?:\s+-?\d+)?$/;

export function parseMetrics(text: string): Metrics {
  const sums = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, value] = (line.startsWith('#') ? null : sample.exec(line.trim())) ?? [];
    if (name !== undefined && Number.isFinite(Number(value))) sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  return sums;
}
