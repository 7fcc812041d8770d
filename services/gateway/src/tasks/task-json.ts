// A task as the API shows it.

import { z } from '@hono/zod-openapi';
import { id, time } from '../text.ts';
import type { TaskDocument } from './task-reader.ts';

export const taskState = z.enum(['open', 'done', 'canceled']);

export const taskSchema = z
  .object({
    id: id('task'),
    projectId: id('project'),
    title: z.string(),
    description: z.string(),
    state: taskState,
    origin: z.enum(['manual', 'suggested']),
    createdAt: time,
    updatedAt: time,
  })
  .openapi('Task');

export function taskJson(task: TaskDocument): z.output<typeof taskSchema> {
  const { organizationId: _, ...shown } = task;
  return shown;
}
