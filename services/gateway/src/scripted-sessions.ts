// For tests: sessions whose workflows answer as they are told, on a real Temporal, in place of the orchestrator's.

import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { sessionWorkflowId, workflowTaskQueue } from '@worktrail/contract/session-messages';
import { askedQuery, checkpointsQuery, scriptSignal, type SessionScript } from './scripted-session-workflow.ts';

export interface ScriptedSessions {
  tell(sessionId: string, script: Partial<SessionScript>): Promise<void>;
  /** How often the session's workflow was asked for each update. */
  asked(sessionId: string): Promise<Record<string, number>>;
  /** The ids of the checkpoints that it was asked for. */
  checkpoints(sessionId: string): Promise<string[]>;
  close(): Promise<void>;
}

export async function startScriptedSessions(address: string): Promise<ScriptedSessions> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const native = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection: native,
    taskQueue: workflowTaskQueue,
    workflowsPath: fileURLToPath(new URL('./scripted-session-workflow.ts', import.meta.url)),
  });
  const running = worker.run();
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  const handle = (sessionId: string) => client.workflow.getHandle(sessionWorkflowId(sessionId));
  return {
    tell: (sessionId, script) => handle(sessionId).signal(scriptSignal, script),
    asked: (sessionId) => handle(sessionId).query<Record<string, number>>(askedQuery),
    checkpoints: (sessionId) => handle(sessionId).query<string[]>(checkpointsQuery),
    close: async () => {
      worker.shutdown();
      await running;
      await connection.close();
      await native.close();
    },
  };
}
