// The gateway's way to workflows: start, update, query; each bounded, each failure one of the contract's codes.
//
// 1. An update refused by the workflow carries the contract's code as the failure's type.
// 2. No answer in time, or Temporal away: `dependency_unavailable`. The update may still be carried out: its id is the caller's, so a
//    repetition is the same update. What takes long is begun only when both have just answered, so that one of them that is down
//    is told as soon as ever; what then takes longer than a request waits is `still_running`.
// 3. `undefined` instead of a result: there is no such workflow, or it has closed.

import {
  type Client,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { type ErrorCode, errorKinds, WorktrailError } from '@worktrail/contract/errors';
import { workflowTaskQueue, workflowTaskTimeoutMs } from '@worktrail/contract/session-messages';
import { callTimeoutsMs, type Part, unavailable, within } from './deadline.ts';

export interface UpdateOptions {
  updateId?: string;
  /** The workflow needs some seconds for this, and more when many do it at once. */
  takesLong?: boolean;
}

export interface WorkflowClient {
  /** Starts it, or finds it started already: an id is never used twice; with `again` only not while it runs. False: it was found. */
  start(workflow: string, workflowId: string, input: unknown, options?: { again?: boolean }): Promise<boolean>;
  update<Result>(
    workflowId: string,
    update: string,
    args: readonly unknown[],
    options?: UpdateOptions,
  ): Promise<Result | undefined>;
  query<Result>(workflowId: string, query: string, args: readonly unknown[]): Promise<Result | undefined>;
  /** The server answers. */
  checkServer(): Promise<void>;
}

/** `askOrchestrator` rejects when no orchestrator answers. */
export function createWorkflowClient(client: Client, askOrchestrator: () => Promise<void>): WorkflowClient {
  const call = <T>(part: Part, timeoutMs: number, run: () => Promise<T>) =>
    within(part, timeoutMs + 250, () => client.withDeadline(Date.now() + timeoutMs, run)).catch((error: unknown) => {
      throw contractError(error);
    });
  const checkServer = async () => {
    await client.withDeadline(Date.now() + 1_900, () =>
      client.workflowService.describeNamespace({ namespace: client.options.namespace }),
    );
  };
  // Not by a query: a workflow that is in no cache answers late when many are asked at once, though nothing is down.
  const checkParts = async () => {
    const checks = await Promise.allSettled([
      within('temporal', callTimeoutsMs.check, checkServer),
      within('orchestrator', callTimeoutsMs.check, askOrchestrator),
    ]);
    // Temporal is named first: without it no orchestrator can work.
    for (const check of checks) if (check.status === 'rejected') throw check.reason;
  };
  return {
    checkServer,
    async start(workflow, workflowId, input, { again = false } = {}) {
      return await call('temporal', callTimeoutsMs.start, async () => {
        try {
          await client.workflow.start(workflow, {
            workflowId,
            taskQueue: workflowTaskQueue,
            workflowTaskTimeout: workflowTaskTimeoutMs,
            args: [input],
            workflowIdReusePolicy: again ? 'ALLOW_DUPLICATE' : 'REJECT_DUPLICATE',
          });
          return true;
        } catch (error) {
          if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
          return false;
        }
      });
    },
    async update(workflowId, update, args, { updateId, takesLong } = {}) {
      const run = () =>
        orGone(() =>
          client.workflow
            .getHandle(workflowId)
            .executeUpdate<never, [unknown]>(update, { args: args as [unknown], ...(updateId && { updateId }) }),
        );
      if (!takesLong) return await call('orchestrator', callTimeoutsMs.update, run);
      await checkParts();
      const startedMs = performance.now();
      try {
        return await call('orchestrator', callTimeoutsMs.longUpdate, run);
      } catch (error) {
        // A deadline may ring a moment early.
        if (performance.now() - startedMs < callTimeoutsMs.longUpdate - 1_000) throw error;
        throw new WorktrailError('still_running', stillRunning, { cause: error });
      }
    },
    query: (workflowId, query, args) =>
      call('orchestrator', callTimeoutsMs.query, () =>
        orGone(() => client.workflow.getHandle(workflowId).query<never, unknown[]>(query, ...args)),
      ),
  };
}

const stillRunning = `no answer within ${callTimeoutsMs.longUpdate / 1_000} s, and what was begun goes on: ask again with the same Idempotency-Key`;

async function orGone<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function contractError(error: unknown): unknown {
  // `within` has made a dependency_unavailable of what the client threw; the client's own error is the cause.
  const cause = error instanceof WorktrailError ? error.cause : error;
  if (cause instanceof WorkflowUpdateFailedError) {
    const failure = cause.cause;
    if (failure instanceof ApplicationFailure && isErrorCode(failure.type)) {
      return new WorktrailError(failure.type, failure.message, { cause });
    }
    return new WorktrailError('internal', 'the workflow refused for a reason it should not have', { cause });
  }
  if (isGrpcServiceError(cause)) return unavailable('temporal', cause.details || cause.message, cause);
  return error;
}

function isErrorCode(code: string | null | undefined): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorKinds, code);
}
