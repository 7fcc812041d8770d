// What is to be done: tasks, their trials, suggestions.

import { agentKinds, turnLimitsMax } from '@worktrail/contract/agents';
import { suggestionKinds, suggestionStates } from '@worktrail/contract/suggestions';
import { type Command, Option } from 'commander';
import { suggest, suggestAccept, suggestDismiss } from '../commands/suggest.ts';
import { taskCreate, taskList, taskStart } from '../commands/task.ts';
import { trialCancel, trialRun, trialShow } from '../commands/trial.ts';
import { amount, listed, namesOf, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';
import { agentOption, withAgentLimits } from './agent-options.ts';
import { projectOption } from './project-option.ts';

export function addTasks(program: Command, action: Action): void {
  const task = program.command('task').description('objectives of a project');
  task
    .command('create <title>')
    .description('make a task; prints its id')
    .addOption(projectOption())
    .option('-d, --description <text>')
    .action(action(taskCreate));
  task.command('list').description('the tasks of a project').addOption(projectOption()).action(action(taskList));
  const start = task
    .command('start <task>')
    .description('a trial with one session, live: its agent is told the title and description')
    .option('--message <text>', 'tell it this instead')
    .option('--command <command>', 'run this first; without a message, only this (repeatable)', listed)
    .option('-m, --model <name>', "provider/model (default: the operator's)")
    .addOption(agentOption());
  withAgentLimits(start)
    .option('--detach', 'do not wait; prints the trial id')
    .addHelpText('after', '\nExample:\n  worktrail task start $task --model anthropic/claude-opus-4 --max-cost 2')
    .action(action(taskStart));
}

export function addTrials(program: Command, action: Action): void {
  const trial = program.command('trial').description('several attempts at a task, side by side');
  const start = trial
    .command('run [task]')
    .description('run attempts live, then compare; exits 0 when one of them passed')
    .option('--title <text>', 'make a new task with this title')
    .addOption(projectOption())
    .option('--name <text>', 'of the trial')
    .option('--attempt <command>', 'one session that runs this (repeatable)', listed)
    .option('--message <text>', 'one session whose agent is told this (repeatable)', listed)
    .option('--prepare <command>', 'runs in each of these before (repeatable)', listed)
    .option('-m, --model <name>', 'provider/model; each message is tried with each (repeatable)', listed)
    .option('--agent <kinds>', `likewise with each of these: ${agentKinds.join(', ')}`, namesOf(agentKinds))
    .option('--times <n>', 'so many sessions for each message', wholeNumber(1, 16))
    .option('--verify <command>', 'decides whether an attempt passed (repeatable)', listed)
    .option('--max-parallel <n>', 'so many attempts at once', wholeNumber(1, 16))
    .option('--stop-when-passed', 'stop the others once one has passed')
    .option('--budget-tokens <n>', 'of all attempts together, in and out', wholeNumber(1, turnLimitsMax.tokens))
    .option('--budget-cost <usd>', 'likewise', amount(turnLimitsMax.costUsd))
    .option('--budget-seconds <n>', 'from the start of the trial', wholeNumber(1, turnLimitsMax.seconds));
  withAgentLimits(start)
    .option('--detach', 'do not wait; prints the trial id')
    .addHelpText(
      'after',
      `
Ctrl-C cancels the trial, a second one leaves it alone.

Examples:
  worktrail trial run --title "count lines" --attempt "wc -l * > n.txt && cat n.txt" --attempt ./count.py \\
    --verify "test -s n.txt"
  worktrail trial run $task --message "Mend the failing test." --model openai/gpt-5 --model anthropic/claude-opus-4 \\
    --times 2 --verify "npm test" --stop-when-passed --budget-cost 5`,
    )
    .action(action(trialRun));
  trial.command('show <trial>').description('one trial').action(action(trialShow));
  trial.command('cancel <trial>').description('stop a trial').action(action(trialCancel));
}

export function addSuggestions(program: Command, action: Action): void {
  const command = program
    .command('suggest')
    .description(
      'look for tasks that are worth doing in a project: failing checks, TODOs, missing tests, outdated docs, …',
    )
    .argument('[project]')
    .option('--no-scan', 'only what was found before')
    .addOption(new Option('--kind <kind>', 'only of this kind').choices([...suggestionKinds]))
    .addOption(
      new Option('--only <state>', 'only what is in this state').choices([...suggestionStates, 'all']).default('open'),
    )
    .addHelpText('after', '\nExample:\n  worktrail suggest my-project\n  worktrail suggest accept sug_…')
    .action(action(suggest));
  const accept = command
    .command('accept <suggestion>')
    .description('make a task of it and a session to work on it; prints the id of the session')
    .option('--message <text>', 'to the agent, instead of what the suggestion says')
    .option('-m, --model <name>', "provider/model (default: the operator's)")
    .addOption(agentOption());
  withAgentLimits(accept).action(action(suggestAccept));
  command
    .command('dismiss <suggestion>')
    .description('do not suggest it again')
    .option('-r, --reason <text>')
    .action(action(suggestDismiss));
}
