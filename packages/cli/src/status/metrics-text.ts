// Prometheus' text format: each sample with its labels.

export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** What cannot be read is left out. */
export function parseMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = (line.startsWith('#') ? null : sample.exec(line.trim())) ?? [];
    if (name === undefined || !Number.isFinite(Number(value))) return [];
    const entries = [...labels.matchAll(label)].map(([, key, quoted]) => [key!, unquoted(quoted!)] as const);
    return [{ name, labels: Object.fromEntries(entries), value: Number(value) }];
  });
}

function unquoted(text: string): string {
  return text.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}
