/**
 * An agent in a session, by the command line as anybody would use it: asked, followed live, and what it has changed. The model is the
 * operator's, or the scripted one, which is said.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { REPOSITORY_DIRECTORY } from '../cluster-plan.ts';
import type { Connection } from '../connection-file.ts';
import { AGENT_MESSAGE } from '../model/agent-script.ts';
import { SCRIPTED_MODEL } from '../model/model-choice.ts';
import type { Stage } from './stage.ts';

const CLI = join(REPOSITORY_DIRECTORY, 'packages/cli/src/main.ts');
/** A demonstration costs little, whatever the model. */
const LIMITS = ['--max-steps', '25', '--max-tokens', '400000', '--max-cost', '1', '--max-seconds', '600'];

export interface AgentTurn {
  sessionId: string;
  completed: boolean;
}

/** Null where there is no model to show. */
export async function showAgentTurn(
  { api, style, write, signal }: Stage,
  connection: Pick<Connection, 'projectId' | 'stateDirectory'>,
  /** Has a descriptor: the command line prints there itself. */
  output: Writable,
): Promise<AgentTurn | null> {
  const model = await defaultModel(api);
  if (model === null) {
    write('\nNo agent to show: no model is named (WORKTRAIL_MODEL_DEFAULT=provider/model).\n');
    return null;
  }
  const isScripted = model === SCRIPTED_MODEL;
  write(`\n${style.bold('An agent in a session')}: asked for a program, its test, and what comes of it\n`);
  if (isScripted) {
    write(
      `${style.bold('The model is scripted')}: what it says was written beforehand. Its tools, files and commands are real.\n`,
    );
  } else write(`The model is ${model}.\n`);
  const session = await api.sessions.create(
    connection.projectId!,
    { title: 'Links that lead nowhere' },
    { waitSeconds: 60 },
  );
  const worktrail = async (...args: string[]) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      env: { ...process.env, WORKTRAIL_HOME: connection.stateDirectory },
      stdio: ['ignore', output, output],
      signal,
    });
    const [exitCode] = await once(child, 'close');
    return exitCode === 0;
  };
  write(`${style.dim(`$ npx worktrail ask ${session.id} "${AGENT_MESSAGE}"`)}\n`);
  const completed = await worktrail('ask', session.id, AGENT_MESSAGE, ...LIMITS);
  write(`${style.dim(`$ npx worktrail diff ${session.id}`)}\n`);
  await worktrail('diff', session.id);
  return { sessionId: session.id, completed };
}

/** Of messages that name none, as the cluster has it. */
async function defaultModel(api: Stage['api']): Promise<string | null> {
  const { items } = await api.models.list();
  return items.find(({ isDefault }) => isDefault)?.name ?? null;
}
