// Bounds on what a workflow starts with: Temporal refuses a payload over 2 MiB and a request over 4 MiB, at a time when nobody can
// be told any more.

import { invalid } from './problem.ts';

/** @throws validation_failed that names the field and the limit. */
export function checkJsonSize(value: unknown, bytesMax: number, path: string, what: string): void {
  const bytes = jsonBytes(value);
  if (bytes > bytesMax) throw invalid({ path, message: `${what} ${bytes} bytes as JSON: at most ${bytesMax} bytes` });
}

export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
