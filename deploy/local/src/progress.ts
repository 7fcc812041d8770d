/**
 * What a start or stop reports while it works: one event per step, with its time.
 *
 * Steps know nothing of the terminal: they emit events, and whoever started the cluster renders them.
 */
export type ProgressEvent =
  | { kind: 'done'; title: string; detail: string; elapsedMs: number }
  | { kind: 'failed'; title: string; detail: string; elapsedMs: number }
  | { kind: 'note'; title: string };

export type Report = (event: ProgressEvent) => void;

/** Runs one step and reports its end. `work` returns the detail to show ("1.9.1 from PATH"), or nothing. */
export async function step<T extends { detail?: string } | undefined | void>(
  report: Report,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  try {
    const result = await work();
    report({
      kind: 'done',
      title,
      detail: result?.detail ?? '',
      elapsedMs: performance.now() - startedAt,
    });
    return result;
  } catch (error) {
    report({
      kind: 'failed',
      title,
      detail: firstLine(error),
      elapsedMs: performance.now() - startedAt,
    });
    throw error;
  }
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? '';
}
