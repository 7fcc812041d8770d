/**
 * Requests to stop, from signals or from within: the first asks, a later one urges.
 *
 * One Ctrl-C can arrive twice (from the terminal and forwarded by npm): signals within a second of the first are the same request.
 */
const SAME_REQUEST_MS = 1_000;

export interface StopRequests {
  /** Aborted by the first request. */
  asked: AbortSignal;
  /** Aborted by a request more than a second later. */
  urged: AbortSignal;
  /** Asks as a signal does. */
  ask(): void;
}

export function listenForStopRequests(source: NodeJS.EventEmitter, now: () => number): StopRequests {
  const asked = new AbortController();
  const urged = new AbortController();
  let askedAt: number | null = null;
  const request = () => {
    askedAt ??= now();
    if (!asked.signal.aborted) asked.abort(new Error('Asked to stop.'));
    else if (now() - askedAt >= SAME_REQUEST_MS) urged.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) source.on(signal, request);
  return { asked: asked.signal, urged: urged.signal, ask: request };
}
