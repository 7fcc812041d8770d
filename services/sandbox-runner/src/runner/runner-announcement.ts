// Announces this runner to the cluster for as long as it lives; the entry vanishes when it is not renewed.

import { hostname } from 'node:os';
import type { KV } from '@nats-io/kv';
import type { RunnerDocument } from '@worktrail/contract/documents';
import { runnerAnnouncementRenewMs } from '@worktrail/contract/runner-announcements';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';

/** The first announcement is made before it resolves; the function it answers with makes one at once. */
export async function startRunnerAnnouncement(
  runners: KV,
  describe: () => RunnerDocument,
  lifetime: Lifetime,
  log: Logger,
): Promise<() => void> {
  const announce = async (): Promise<void> => {
    const document = describe();
    await runners.put(document.id, JSON.stringify(document));
  };
  await announce();
  let renewing = false;
  let isStale = false;
  const renew = (): void => {
    isStale = true;
    if (!renewing) void renewStale();
  };
  const renewStale = async (): Promise<void> => {
    renewing = true;
    while (isStale) {
      isStale = false;
      await announce().catch((err: unknown) => log.warn({ err }, 'the runner could not be announced'));
    }
    renewing = false;
  };
  const timer = setInterval(renew, runnerAnnouncementRenewMs);
  lifetime.onClose('runner announcement', () => clearInterval(timer));
  return renew;
}

/** Where its HTTP server is reached if nothing else is said: one that listens everywhere, by the host's name. */
export function defaultRunnerUrl(host: string, port: number): string {
  const name = ['0.0.0.0', '::'].includes(host) ? hostname() : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
