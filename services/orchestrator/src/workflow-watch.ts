// A worker that bounds the workflow code's time from outside.
//
// 1. Code that keeps the workflows' thread so long that nobody is answered ends the worker, and with it the process, which is started
//    again.
// 2. The time is counted in this process' own seconds: one that was itself suspended blames nobody.
//
// The SDK bounds each call into a workflow by a timer in a thread that it makes for that call, dozens of them a workflow task: a
// quarter of what a command costs the orchestrator.

import { type CompiledWorkerOptions, UnexpectedError, Worker } from '@temporalio/worker';
import type { Workflow, WorkflowCreator } from '@temporalio/worker/lib/workflow/interface.js';

export class WatchedWorker extends Worker {
  protected static readonly stuckAfterSeconds: number = 20;

  protected static override async createWorkflowCreator(
    ...[bundle, options, logger]: Parameters<(typeof Worker)['createWorkflowCreator']>
  ): Promise<WorkflowCreator> {
    // Without a time there is no timer.
    const untimed: CompiledWorkerOptions = { ...options, isolateExecutionTimeoutMs: undefined as unknown as number };
    return watched(await super.createWorkflowCreator(bundle, untimed, logger), this.stuckAfterSeconds);
  }
}

interface Waiting {
  seconds: number;
  giveUp(): void;
}

function watched(creator: WorkflowCreator, stuckAfterSeconds: number): WorkflowCreator {
  const waiting = new Set<Waiting>();
  let isStuck = false;
  const timer = setInterval(() => {
    for (const one of waiting) {
      one.seconds += 1;
      if (one.seconds <= stuckAfterSeconds) continue;
      isStuck = true;
      one.giveUp();
    }
  }, 1_000);
  timer.unref();
  return {
    async createWorkflow(options) {
      const { workflowId } = options.info;
      return watchedWorkflow(await creator.createWorkflow(options), workflowId, waiting);
    },
    async destroy() {
      clearInterval(timer);
      // A thread that is kept does not answer this either: it ends with the process.
      if (!isStuck) await creator.destroy();
    },
  };
}

function watchedWorkflow(workflow: Workflow, workflowId: string, waiting: Set<Waiting>): Workflow {
  return {
    async activate(activation) {
      const { promise: stuck, reject } = Promise.withResolvers<never>();
      const giveUp = () => reject(new UnexpectedError(`workflow code keeps its thread; ${workflowId} waits for it`));
      const one: Waiting = { seconds: 0, giveUp };
      waiting.add(one);
      try {
        return await Promise.race([workflow.activate(activation), stuck]);
      } finally {
        waiting.delete(one);
      }
    },
    getAndResetSinkCalls: () => workflow.getAndResetSinkCalls(),
    dispose: () => workflow.dispose(),
  };
}
