// worktrail task create | list | start

import type { Task } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';
import { paintState } from '../screen/style.ts';
import { type AgentOptions, agentInput } from '../turn/agent-options.ts';
import { resolveProjectId } from './resolve-project.ts';
import { showTrial } from './trial.ts';

export interface TaskOptions {
  project?: string;
  description?: string;
}

export async function taskCreate(cli: Cli, title: string, options: TaskOptions): Promise<number> {
  const client = await cli.client();
  const projectId = await resolveProjectId(cli, client, options.project);
  const task = await client.tasks.create(projectId, { title, description: options.description });
  await (cli.screen.json ? cli.screen.document(task) : cli.screen.line(task.id));
  return exitCodes.ok;
}

export interface TaskStartOptions extends AgentOptions {
  message?: string;
  command?: string[];
  detach?: boolean;
}

export async function taskStart(cli: Cli, taskId: string, options: TaskStartOptions): Promise<number> {
  const { message, command: commands, detach } = options;
  const client = await cli.client();
  return await showTrial(
    cli,
    await client.tasks.start(taskId, { message, commands, agent: agentInput(options) }),
    detach,
  );
}

export async function taskList(cli: Cli, options: TaskOptions): Promise<number> {
  const client = await cli.client();
  const tasks: Task[] = [];
  for await (const task of client.tasks.all(await resolveProjectId(cli, client, options.project))) tasks.push(task);
  const { json, style } = cli.screen;
  if (json) await cli.screen.document({ items: tasks });
  else {
    const columns = [
      { title: 'TASK' },
      { title: 'STATE', style: (padded: string, state: string) => paintState(style, state)(padded) },
      { title: 'TITLE', shrinks: true },
      { title: 'CREATED' },
    ];
    const nowMs = cli.surroundings.nowMs();
    await cli.screen.table(
      columns,
      tasks.map(({ id, state, title, createdAt }) => [id, state, title, formatAge(createdAt, nowMs)]),
    );
  }
  return exitCodes.ok;
}
