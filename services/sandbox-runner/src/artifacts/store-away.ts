// Whether a failure says only that NATS, and with it the artifact store, does not answer now: it says nothing about what was asked for.

import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import {
  ClosedConnectionError,
  ConnectionError,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node';

const signsOfAbsence = [ClosedConnectionError, ConnectionError, NoRespondersError, RequestError, TimeoutError] as const;
const causesMax = 10;

export function isStoreAway(error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < causesMax && cause instanceof Error; depth += 1, cause = cause.cause) {
    const said = cause;
    if (signsOfAbsence.some((sign) => said instanceof sign)) return true;
    // An answer: what is asked for is not there, or is refused, unless the server itself has no quorum or memory.
    if (said instanceof JetStreamApiError) return said.status >= 500;
    if (said instanceof JetStreamError) return true;
  }
  return false;
}
