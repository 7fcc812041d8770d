// Whether a part of the system can do its work, asked of its processes over NATS.
//
// 1. Only a process that can do the work answers: where there are several, the first answer is enough.
// 2. That the last one was killed is known at once, that it hangs after `timeoutMs`.

import { type NatsConnection, RequestError } from '@nats-io/transport-node';
import { type HealthPart, healthSubject } from '@worktrail/contract/subjects';
import type { Lifetime } from './lifetime.ts';

const answerTimeoutMs = 1_500;

/** `canWork` is asked at each request and must answer from what is known. */
export function answerHealth(nats: NatsConnection, part: HealthPart, canWork: () => boolean, lifetime: Lifetime): void {
  const subscription = nats.subscribe(healthSubject(part), {
    callback: (error, message) => {
      if (!error && canWork()) message.respond();
    },
  });
  lifetime.onClose(`health of ${part}`, () => subscription.unsubscribe());
}

/** @throws when no process of the part answers that it can work. */
export async function askHealth(nats: NatsConnection, part: HealthPart, timeoutMs = answerTimeoutMs): Promise<void> {
  try {
    await nats.request(healthSubject(part), undefined, { timeout: timeoutMs });
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) throw new Error(`no process answers for ${part}`);
    throw new Error(`no process answers for ${part} within ${timeoutMs} ms`, { cause: error });
  }
}
