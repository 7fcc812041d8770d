/**
 * The demonstration of the first start, over the public API alone: a task with one trial of two sessions that try different
 * approaches to the same thing, shown live; then what each did, an agent in a session, three questions in SQL, and how to go on.
 */
import { createClient, type Trial } from '@worktrail/client';
import type { Connection } from './connection-file.ts';
import { type AgentTurn, showAgentTurn } from './demo/agent-turn.ts';
import { APPROACHES, TASK, VERIFY } from './demo/approaches.ts';
import { printOutcomes } from './demo/outcomes.ts';
import { questionsAbout } from './demo/questions.ts';
import { formatTable } from './demo/table.ts';
import { followTrial } from './demo/watch-trial.ts';
import type { Stage } from './demo/stage.ts';
import { createStyle, wantsColour } from './terminal.ts';

export interface DemoOptions {
  output: NodeJS.WriteStream;
  env: NodeJS.ProcessEnv;
  /** Aborted when the user asks to stop. */
  signal: AbortSignal;
}

/** True when both sessions passed, the agent completed its turn (where there is a model) and every question had an answer. */
export async function runDemo(connection: Connection, options: DemoOptions): Promise<boolean> {
  const { output } = options;
  const stage: Stage = {
    api: createClient({ apiUrl: connection.apiUrl, apiKey: connection.apiKey }),
    style: createStyle(wantsColour(output, options.env)),
    write: (text) => void output.write(text),
    terminalWidth: output.isTTY ? output.columns : undefined,
    signal: options.signal,
  };
  if (connection.projectId === null) {
    stage.write('There is no project to demonstrate on: the clone is no git repository with a commit on a branch.\n');
    return false;
  }
  const trial = await startTrial(stage, connection.projectId);
  const ended = await followTrial(stage, trial.id, APPROACHES.length);
  await printOutcomes(stage, ended);
  const turn = await showAgentTurn(stage, connection, output);
  const answered = await askQuestions(stage, ended);
  printHowToGoOn(stage, connection, ended, turn);
  return (
    answered &&
    turn?.completed !== false &&
    ended.state === 'completed' &&
    ended.sessions.every(({ verdict }) => verdict === 'passed')
  );
}

async function startTrial({ api, style, write }: Stage, projectId: string): Promise<Trial> {
  write(`\n${style.bold('Demonstration')}: ${TASK.title}, tried in two ways at once\n`);
  const task = await api.tasks.create(projectId, TASK);
  return await api.trials.create(task.id, {
    name: 'two approaches',
    attempts: APPROACHES,
    verify: VERIFY,
    maxParallel: APPROACHES.length,
  });
}

async function askQuestions({ api, style, write }: Stage, trial: Trial): Promise<boolean> {
  let answered = true;
  for (const { title, sql } of questionsAbout(trial.sessions.map(({ sessionId }) => sessionId))) {
    write(`\n${style.bold(title)}\n${style.dim(sql)}\n`);
    try {
      const rows = (await api.query.sql({ sql })).rows as Record<string, unknown>[];
      const headers = Object.keys(rows[0] ?? {});
      write(
        `${formatTable(
          headers,
          rows.map((row) => headers.map((header) => String(row[header]))),
        )}\n`,
      );
      answered &&= rows.length > 0;
    } catch (error) {
      write(`${style.red('no answer')}: ${(error as Error).message}\n`);
      answered = false;
    }
  }
  return answered;
}

function printHowToGoOn({ style, write }: Stage, connection: Connection, trial: Trial, turn: AgentTurn | null): void {
  const sessionId = trial.sessions[0]?.sessionId ?? 'SESSION';
  write(
    [
      `\n${style.bold('How to go on')}`,
      `  API ${connection.apiUrl} (its description: ${connection.apiUrl}/docs)`,
      `  Key ${connection.stateDirectory}/secrets/api-key`,
      `  npx worktrail status`,
      `  npx worktrail run ${sessionId} -- git status`,
      `  npx worktrail logs ${sessionId}`,
      ...(turn ? [`  npx worktrail chat ${turn.sessionId}`] : []),
      '',
      '',
    ].join('\n'),
  );
}
