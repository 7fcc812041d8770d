// Tasks as they are stored, and as other resources need them.

import type { Stored } from '@worktrail/runtime/buckets';
import { type Action, authorize, type Principal } from '../authorize.ts';
import { taskKey } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import { invalid, notFound } from '../problem.ts';

export interface TaskDocument {
  id: string;
  organizationId: string;
  projectId: string;
  title: string;
  description: string;
  state: 'open' | 'done' | 'canceled';
  origin: 'manual' | 'suggested';
  createdAt: string;
  updatedAt: string;
}

export interface TaskReader {
  open(principal: Principal, taskId: string, action: Action): Promise<Stored<TaskDocument>>;
  /** @throws validation_failed at `taskId` when the project has no such task. */
  mustBelong(principal: Principal, taskId: string, projectId: string): Promise<void>;
}

export function createTaskReader(store: Pick<ConfigurationStore, 'read'>): TaskReader {
  const find = (principal: Principal, taskId: string) =>
    store.read<TaskDocument>(taskKey(principal.organizationId, taskId));
  return {
    async open(principal, taskId, action) {
      const stored = await find(principal, taskId);
      if (!stored) throw notFound(taskId);
      authorize(principal, action, stored.value);
      return stored;
    },
    async mustBelong(principal, taskId, projectId) {
      const stored = await find(principal, taskId);
      if (stored?.value.projectId !== projectId)
        throw invalid({ path: 'taskId', message: 'is no task of the project' });
    },
  };
}
