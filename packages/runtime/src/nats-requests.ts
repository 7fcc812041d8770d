// Requests over a connection that gets lost. The client library drops what is written while there is no connection, and a request
// that got no answer waits for its whole time, which for JetStream is 5 s.
//
// 1. A request that is under way when the connection is lost fails at once. Whether it was carried out is not known.
// 2. One that is made while there is no connection is sent when there is one, as long as its time lasts.

import { errors, type NatsConnection } from '@nats-io/transport-node';

/** As in the library. */
const timeoutMsDefault = 1_000;

/** Replaces the connection's `request`, through which JetStream and key-value stores go too. */
export function keepRequestsShort(connection: NatsConnection): void {
  const send = connection.request.bind(connection);
  const underWay = new Set<(error: Error) => void>();
  let back: PromiseWithResolvers<void> | null = null;

  connection.request = async (subject, payload, options) => {
    const timeoutMs = options?.timeout || timeoutMsDefault;
    const deadlineMs = performance.now() + timeoutMs;
    if (back) await unlessLate(back.promise, timeoutMs);
    const lost = Promise.withResolvers<never>();
    underWay.add(lost.reject);
    const timeout = Math.max(1, Math.ceil(deadlineMs - performance.now()));
    try {
      return await Promise.race([send(subject, payload, { ...options, timeout }), lost.promise]);
    } finally {
      underWay.delete(lost.reject);
    }
  };

  async function watch(): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === 'disconnect') {
        back ??= Promise.withResolvers();
        for (const fail of underWay) fail(new Error('the connection to NATS was lost before it answered'));
      } else if (type === 'reconnect') {
        back?.resolve();
        back = null;
      }
    }
    // The connection was closed: the library refuses what comes now.
    back?.resolve();
    back = null;
  }
  void watch();
}

async function unlessLate(promise: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new errors.TimeoutError()), timeoutMs);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
