// `worktrail`: what all of its commands have in common. Each group of them, with options and help, is a file of program/.

import { Command } from 'commander';
import { type Cli, createCli, type GlobalOptions, type Surroundings, version } from './cli.ts';
import { exitCodeHelp } from './exit-codes.ts';
import type { Action } from './program/action.ts';
import { addOrganizations } from './program/access.ts';
import { addAgent } from './program/agents.ts';
import { addAnalytics } from './program/analytics.ts';
import { addRun } from './program/commands.ts';
import { addFiles } from './program/files.ts';
import { addOperation } from './program/operation.ts';
import { addProjects } from './program/projects.ts';
import { addProposals } from './program/proposals.ts';
import { addCheckpoints, addSessions } from './program/sessions.ts';
import { addSuggestions, addTasks, addTrials } from './program/tasks.ts';
import { addWebhooks } from './program/webhooks.ts';

const examples = `
Examples:
  session=$(worktrail session create --title "try it")
  worktrail run $session -- npm test
  worktrail run $session -- 'cd docs && ls | wc -l'
  worktrail ask $session "Why does npm test fail? Mend it."
  worktrail logs $session -f
  worktrail diff $session
  worktrail trial run --title "make it fast" --attempt ./a.sh --attempt ./b.sh --verify "npm test"
  worktrail query "SELECT type, count() AS events FROM events GROUP BY type"

Where the cluster is: --api-url, WORKTRAIL_API_URL (with WORKTRAIL_API_KEY), or connection.json in the state
directory (--state, WORKTRAIL_HOME, or the nearest .worktrail upward).`;

export interface Program {
  command: Command;
  /** What the command that ran wants the process to exit with. */
  exitCode(): number;
}

export function createProgram(surroundings: Surroundings): Program {
  let exitCode = 0;
  const action: Action =
    <Args extends unknown[]>(handler: (cli: Cli, ...args: Args) => Promise<number>) =>
    async (...args: unknown[]) => {
      const command = args.pop() as Command;
      const cli = createCli(surroundings, command.optsWithGlobals<GlobalOptions>());
      exitCode = await handler(cli, ...(args as Args));
    };
  const program = new Command('worktrail')
    .description('Sessions that run commands on branches of their own: create them, run in them, read their history.')
    .version(version)
    .option('--json', 'one JSON document on stdout (for streams: one a line)')
    .option('--api-url <url>', 'address of the API')
    .option('--state <directory>', 'state directory of the cluster')
    .showHelpAfterError('(see --help)')
    .addHelpText('after', `${examples}\n${exitCodeHelp}`)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void surroundings.stdout.write(text),
      writeErr: (text) => void surroundings.stderr.write(text),
    });
  addOrganizations(program, action);
  addProjects(program, action);
  addTasks(program, action);
  addSuggestions(program, action);
  addSessions(program, action);
  addFiles(program, action);
  addRun(program, action);
  addAgent(program, action);
  addCheckpoints(program, action);
  addTrials(program, action);
  addProposals(program, action);
  addAnalytics(program, action);
  addWebhooks(program, action);
  addOperation(program, action);
  return { command: program, exitCode: () => exitCode };
}
