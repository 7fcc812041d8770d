// Whether a service can do its work: each dependency's own check, asked at once, each within a bound.

export interface ReadinessReport {
  ready: boolean;
  parts: Record<string, { ok: boolean; detail?: string }>;
}

export interface Readiness {
  /** The check resolves when the part answers and rejects with the reason when it does not. */
  add(part: string, check: () => Promise<unknown>): void;
  report(): Promise<ReadinessReport>;
}

export function createReadiness(timeoutMs = 2_000): Readiness {
  const checks = new Map<string, () => Promise<unknown>>();
  return {
    add: (part, check) => checks.set(part, check),
    report: async () => {
      const entries = await Promise.all(
        [...checks].map(async ([part, check]) => [part, await runCheck(check, timeoutMs)] as const),
      );
      return { ready: entries.every(([, result]) => result.ok), parts: Object.fromEntries(entries) };
    },
  };
}

async function runCheck(check: () => Promise<unknown>, timeoutMs: number): Promise<{ ok: boolean; detail?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([Promise.resolve().then(check), timeout]);
    return { ok: true };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}
