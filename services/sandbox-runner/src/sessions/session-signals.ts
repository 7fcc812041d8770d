// What a runner tells the sessions that are open on it: to sleep once they are idle, and what models have used that they call.

import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import {
  type HibernateSessionRequest,
  hibernateWhenIdle,
  type ModelsCalled,
  modelsCalled,
  sessionWorkflowId,
} from '@worktrail/contract/session-messages';
import type { Logger } from '@worktrail/runtime/log';

export type AskToSleep = (sessionId: string, reason: 'slot_needed' | 'runner_draining') => Promise<void>;

/** Never rejects: who asks asks again. */
export function createAskToSleep(temporal: Pick<Client, 'workflow'>, log: Logger): AskToSleep {
  return async (sessionId, reason) => {
    const request: HibernateSessionRequest = { reason };
    try {
      await temporal.workflow.getHandle(sessionWorkflowId(sessionId)).signal(hibernateWhenIdle, request);
    } catch (error) {
      log.warn({ err: error, sessionId, reason }, 'a session could not be asked to sleep');
    }
  };
}

const tellingMsMax = 5_000;

/** What it returns rejects where it may not have been taken. A session that is over counts nothing. */
export function createTellModelsCalled(temporal: Pick<Client, 'workflow'>) {
  return async (sessionId: string, called: ModelsCalled): Promise<void> => {
    const tell = () => temporal.workflow.getHandle(sessionWorkflowId(sessionId)).signal(modelsCalled, called);
    try {
      await temporal.workflow.withDeadline(Date.now() + tellingMsMax, tell);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  };
}
