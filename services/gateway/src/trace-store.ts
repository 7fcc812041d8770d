// Calls of the trace-store: bounded, its codes turned into the contract's.

import { type Code, ConnectError } from '@connectrpc/connect';
import { type ErrorCode, WorktrailError } from '@worktrail/contract/errors';
import { callTimeoutsMs, within } from './deadline.ts';
import { Problem } from './problem.ts';

/** What the trace-store refuses for the asker's reasons: the code of the answer by the code of the call. */
export type Refusals = Partial<Record<Code, ErrorCode>>;

/** @param options.field of the request that is not valid, where it is one @throws dependency_unavailable, or the code that `refusals` gives. */
export async function askTraceStore<T>(
  call: () => Promise<T>,
  options: { refusals?: Refusals; field?: string; timeoutMs?: number } = {},
): Promise<T> {
  return await within('trace-store', options.timeoutMs ?? callTimeoutsMs.traceStore, async () => {
    try {
      return await call();
    } catch (error) {
      throw refused(error, options.refusals ?? {}, options.field ?? '');
    }
  });
}

function refused(error: unknown, refusals: Refusals, path: string): unknown {
  if (!(error instanceof ConnectError)) return error;
  const code = refusals[error.code];
  if (code === undefined) return error;
  if (code === 'validation_failed') {
    return new Problem(code, error.rawMessage, { errors: [{ path, message: error.rawMessage }], cause: error });
  }
  return new WorktrailError(code, error.rawMessage, { cause: error });
}
