// Whether a session's workflow runs, asked of Temporal itself.

import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { sessionWorkflowId } from '@worktrail/contract/session-messages';

const answerMsMax = 5_000;

export function createWorkflowFinder(client: Client): (sessionId: string) => Promise<boolean> {
  return async (sessionId) => {
    try {
      const workflow = client.workflow.getHandle(sessionWorkflowId(sessionId));
      const { status } = await client.withDeadline(Date.now() + answerMsMax, () => workflow.describe());
      return status.name === 'RUNNING';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };
}
