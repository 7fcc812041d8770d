// What a runner asks of the sessions that are open on it: to sleep once they are idle.

import type { Client } from '@temporalio/client';
import {
  type HibernateSessionRequest,
  hibernateWhenIdle,
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
