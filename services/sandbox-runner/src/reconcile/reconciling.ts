// The reconciler's life in a runner: at start, every five minutes, and whenever somebody asks the doctor.

import type { NatsConnection } from '@nats-io/transport-node';
import { answerDoctor } from '@worktrail/runtime/doctor';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import type { Reconciler } from './reconciler.ts';

const everyMs = 5 * 60_000;

export function startReconciling(
  { reconciler, nats, runnerId, log }: { reconciler: Reconciler; nats: NatsConnection; runnerId: string; log: Logger },
  lifetime: Lifetime,
): void {
  let running: Promise<void> | null = null;
  const run = () => {
    running ??= reconciler
      .examine({ fix: true, mayFix: () => true })
      .then(
        ({ findings, incomplete }) => {
          if (findings.length + incomplete.length > 0)
            log.info({ findings: findings.length, incomplete }, 'something here has no counterpart');
        },
        (err: unknown) => {
          if (!lifetime.signal.aborted) log.warn({ err }, 'what has no counterpart could not be looked for');
        },
      )
      .finally(() => (running = null));
  };
  const timer = setInterval(run, everyMs);
  lifetime.onClose('reconciler', async () => {
    clearInterval(timer);
    await running;
  });
  run();
  answerDoctor(
    nats,
    { part: 'sandbox-runner', id: runnerId, oneOfAll: false, examine: reconciler.examine, log },
    lifetime,
  );
}
