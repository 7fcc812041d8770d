// Tasks of a project, and the trials that attempt them.

import type { Comparison, CreateTask, CreateTrial, PatchTask, StartTask, Task, Trial } from '../gen/api-schemas.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf, type WaitOptions } from './call.ts';

export function createTasks(transport: Transport) {
  const list = (projectId: string, query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Task>>('GET', pathOf`/v1/projects/${projectId}/tasks`, { query: { ...query }, ...options });
  return {
    create: (projectId: string, body: CreateTask, options?: CallOptions) =>
      transport.json<Task>('POST', pathOf`/v1/projects/${projectId}/tasks`, { body, ...options }),
    list,
    all: (projectId: string, options?: CallOptions) => allItems((cursor) => list(projectId, { cursor }, options)),
    get: (taskId: string, options?: CallOptions) => transport.json<Task>('GET', pathOf`/v1/tasks/${taskId}`, options),
    update: (taskId: string, body: PatchTask, options?: CallOptions) =>
      transport.json<Task>('PATCH', pathOf`/v1/tasks/${taskId}`, { body, ...options }),
    /** Every session of every trial of the task, side by side. */
    compare: (taskId: string, options?: CallOptions) =>
      transport.json<Comparison>('GET', pathOf`/v1/tasks/${taskId}/comparison`, options),
    /** A trial with one session; without a body its agent is told the task's title and description. */
    start: (taskId: string, body: StartTask = {}, options?: CallOptions) =>
      transport.json<Trial>('POST', pathOf`/v1/tasks/${taskId}/start`, { body, ...options }),
  };
}

export function createTrials(transport: Transport) {
  const list = (taskId: string, query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Trial>>('GET', pathOf`/v1/tasks/${taskId}/trials`, { query: { ...query }, ...options });
  return {
    create: (taskId: string, body: CreateTrial, options?: CallOptions) =>
      transport.json<Trial>('POST', pathOf`/v1/tasks/${taskId}/trials`, { body, ...options }),
    list,
    all: (taskId: string, options?: CallOptions) => allItems((cursor) => list(taskId, { cursor }, options)),
    /** With `waitSeconds` it answers once the trial has ended, or when the wait is over. */
    get: (trialId: string, options?: WaitOptions) =>
      transport.json<Trial>('GET', pathOf`/v1/trials/${trialId}`, options),
    cancel: (trialId: string, options?: CallOptions) =>
      transport.json<Trial>('POST', pathOf`/v1/trials/${trialId}/cancel`, options),
  };
}
