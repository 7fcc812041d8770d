// The commands of `worktrail`, their options and their help.

import { agentKinds, toolKinds, turnLimitsMax } from '@worktrail/contract/agents';
import { Argument, Command, Option } from 'commander';
import { type Cli, createCli, type GlobalOptions, type Surroundings, version } from './cli.ts';
import { projectApproval } from './commands/approval.ts';
import { ask } from './commands/ask.ts';
import { chat } from './commands/chat.ts';
import { checkpoint, checkpointList } from './commands/checkpoint.ts';
import { config } from './commands/config.ts';
import { context } from './commands/context.ts';
import { diff } from './commands/diff.ts';
import { doctor } from './commands/doctor.ts';
import { fileGet, fileList, filePut, fileRemove } from './commands/files.ts';
import { fork } from './commands/fork.ts';
import { keyCreate, keyDelete, keyList } from './commands/key.ts';
import { limits } from './commands/limits.ts';
import { logs } from './commands/logs.ts';
import { orgCreate } from './commands/org.ts';
import { compare } from './commands/compare.ts';
import { open } from './commands/open.ts';
import { permission } from './commands/permission.ts';
import { projectCreate, projectCredential, projectList, projectShow } from './commands/project.ts';
import { promote, proposalDecide, proposalList, proposalMerge, proposalShow } from './commands/proposal.ts';
import { query } from './commands/query.ts';
import { revert } from './commands/revert.ts';
import { run } from './commands/run.ts';
import { runnerDrain, runnerList } from './commands/runner.ts';
import { sessionArchive, sessionCreate, sessionList, sessionShow } from './commands/session.ts';
import { sessionHibernate, sessionResume } from './commands/sleep.ts';
import { status } from './commands/status.ts';
import { sessionUpdate } from './commands/update.ts';
import { suggest, suggestAccept, suggestDismiss } from './commands/suggest.ts';
import { taskCreate, taskList, taskStart } from './commands/task.ts';
import { trialCancel, trialRun, trialShow } from './commands/trial.ts';
import { turns, turnShow } from './commands/turns.ts';
import { exitCodeHelp, turnExitCodeHelp } from './exit-codes.ts';
import { amount, commaSeparated, listed, namesOf, pair, wholeNumber } from './option-values.ts';

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

const weekSeconds = 7 * 24 * 3600;

export interface Program {
  command: Command;
  /** What the command that ran wants the process to exit with. */
  exitCode(): number;
}

export function createProgram(surroundings: Surroundings): Program {
  let exitCode = 0;
  const action =
    <Args extends unknown[]>(handler: (cli: Cli, ...args: Args) => Promise<number>) =>
    async (...args: unknown[]): Promise<void> => {
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
  addOperation(program, action);
  return { command: program, exitCode: () => exitCode };
}

type Action = <Args extends unknown[]>(
  handler: (cli: Cli, ...args: Args) => Promise<number>,
) => (...args: unknown[]) => Promise<void>;

function projectOption(): Option {
  return new Option('-p, --project <id or name>', 'default: the project of the clone the cluster was started from');
}

function addOrganizations(program: Command, action: Action): void {
  const org = program.command('org').description('organizations (on the host of the cluster)');
  org
    .command('create <name>')
    .description('make an organization and its first key')
    .option('--principal <name>', 'who the key belongs to (default: you)')
    .action(action(orgCreate));
  const key = program.command('key').description('who may use the API, and for what');
  key
    .command('create <principal>')
    .description('a key for a principal, by id or name; who does not exist yet is made')
    .option('--scopes <scopes>', 'of read, run, approve and admin, separated by commas', commaSeparated, [
      'read',
      'run',
    ])
    .option('--service', 'a principal that is made is a service, not a user')
    .addHelpText('after', '\nExample:\n  worktrail key create "Ada" --scopes read,approve')
    .action(action(keyCreate));
  key.command('list').description('the keys of the organization').action(action(keyList));
  key.command('delete <key>').description('a key is good for nothing from now on').action(action(keyDelete));
}

function addProjects(program: Command, action: Action): void {
  const project = program.command('project').description('git repositories with an environment');
  project
    .command('create [name]')
    .description('make a project; prints its id')
    .requiredOption('-r, --repository <url or path>', 'https, ssh or git URL, or a path below an allowed root')
    .option('-b, --branch <name>', 'default branch')
    .option('--setup <command>', 'run in every new session (repeatable)', listed)
    .option('--packages <names>', 'Debian packages, separated by commas', commaSeparated)
    .option('--env <NAME=value>', 'in every command (repeatable)', pair)
    .option('--environment <file>', 'JSON file with the whole environment, as in the API')
    .addHelpText('after', '\nExample:\n  worktrail project create --repository . --setup "npm ci"')
    .action(action(projectCreate));
  project.command('list').description('all projects').action(action(projectList));
  project
    .command('show [project]')
    .description('one project, by id or name')
    .action(action((cli, named: string | undefined) => projectShow(cli, named)));
  project
    .command('credential [project]')
    .description("set what the project's remote is read with; it is never shown again")
    .option('--token', 'a token, read from stdin')
    .option('--username <name>', 'that goes with the token, where the server asks for a certain one')
    .option('--ssh-key <file>', 'a private key without a passphrase')
    .option('--known-hosts <file>', 'the keys by which the ssh server is known')
    .option('--remove', 'delete it')
    .addHelpText('after', '\nExample:\n  worktrail project credential app --token < token.txt')
    .action(action(projectCredential));
  project
    .command('approval [project]')
    .description("what a change needs before it reaches the project's branch; without options shows it")
    .option('--required <n>', 'approvals of so many principals', wholeNumber(0, 100))
    .option('--author-may-approve', 'the approval of who made the session or put it up counts')
    .option('--no-author-may-approve', 'it does not')
    .option('--check <command>', 'has to exit 0 on what would land (repeatable, in this order)', listed)
    .option('--no-checks', 'nothing has to')
    .addOption(new Option('--merge-method <method>', 'how it lands').choices(['merge', 'squash', 'pull_request']))
    .addOption(
      new Option('--pull-requests <host>', 'whose API opens them, where the address does not tell').choices([
        'github',
        'gitlab',
        'gitea',
      ]),
    )
    .option('--pull-requests-api <url>', 'where that is not at its usual path')
    .addHelpText(
      'after',
      '\nA change takes the approvals of open proposals away.\n\nExample:\n  worktrail project approval app --required 1 --check "npm ci" --check "npm test"',
    )
    .action(action(projectApproval));
}

function addTasks(program: Command, action: Action): void {
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

function addSessions(program: Command, action: Action): void {
  const session = program.command('session').description('workspaces on a branch of their own');
  session
    .command('create')
    .description('make a session and wait until it is ready; prints its id')
    .addOption(projectOption())
    .option('-t, --title <text>')
    .option('--task <id>', 'the task it belongs to')
    .option('--base-ref <ref>', 'branch, tag or commit to begin at (default: the newest default branch)')
    .option('--env <NAME=value>', 'in every command (repeatable)', pair)
    .option('--label <name=value>', '(repeatable)', pair)
    .option('--wait <seconds>', 'how long to wait; 0: not at all', wholeNumber(0, 290), 120)
    .action(action(sessionCreate));
  session
    .command('list')
    .description('sessions, newest first')
    .option('-p, --project <id or name>', 'of this project')
    .option('--task <id>', 'of this task')
    .option('--trial <id>', 'of this trial')
    .option('--state <state>', 'in this state')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 10_000), 50)
    .action(action(sessionList));
  session.command('show <session>').description('one session').action(action(sessionShow));
  session
    .command('archive <session...>')
    .description('end sessions for good; their history stays')
    .action(action(sessionArchive));
  session
    .command('update <session>')
    .description('bring the newest default branch in; exits 1 with the paths when there are conflicts')
    .option('--rebase', "rebase the session's commits onto it instead of merging it")
    .addHelpText('after', '\nExample:\n  worktrail session update $session || worktrail run $session -- git status')
    .action(action(sessionUpdate));

  program.command('open <session>').description("how to fetch a session's branch with plain git").action(action(open));
  addSleep(session, action);
  program
    .command('fork <session>')
    .description('make sessions with the files and history of this one; prints their ids')
    .option('--checkpoint <checkpoint>', 'as at this one: its id, number or label (default: the newest)')
    .option('-n, --count <n>', 'how many', wholeNumber(1, 16), 1)
    .addHelpText(
      'after',
      `
They are hibernated until their first command.

Examples:
  worktrail fork $session --count 3
  worktrail fork $session --checkpoint "before the rewrite"`,
    )
    .action(action(fork));
}

function addSleep(session: Command, action: Action): void {
  session
    .command('hibernate <session...>')
    .description('store the files of idle sessions and free their places; the next command resumes them')
    .action(action(sessionHibernate));
  session
    .command('resume <session...>')
    .description('open hibernated sessions again, as their next command would')
    .option('--wait <seconds>', 'how long to wait until one is ready; 0: not at all', wholeNumber(0, 290), 120)
    .action(action(sessionResume));
}

function addCheckpoints(program: Command, action: Action): void {
  const command = program
    .command('checkpoint')
    .argument('<session>')
    .description("keep a session's files as they are now; prints the id of the checkpoint")
    .option('-l, --label <text>', 'what it is called')
    .addHelpText(
      'after',
      `
Examples:
  worktrail checkpoint $session --label "before the rewrite"
  worktrail checkpoint list $session`,
    )
    .action(action(checkpoint));
  command
    .command('list <session>')
    .description('the checkpoints of a session, oldest first')
    .action(action(checkpointList));
  program
    .command('revert <session> <checkpoint>')
    .description('make files, branches and index as they were at a checkpoint; itself one, so it can be reverted too')
    .option('-f, --force', 'cancel what runs first')
    .addHelpText(
      'after',
      `
A checkpoint is named by its id, number or label: worktrail checkpoint list $session

Examples:
  worktrail revert $session 3
  worktrail revert $session "before the rewrite" --force`,
    )
    .action(action(revert));
}

function addFiles(program: Command, action: Action): void {
  program
    .command('diff <session>')
    .description('what a session has changed: its files, or the patch')
    .option('--from <checkpoint>', 'base, head, or a checkpoint by its id, number or label', 'base')
    .option('--to <checkpoint>', 'likewise', 'head')
    .option('--patch', 'the patch, as git apply takes it; exits 1 when it is cut at its limit of 5 MiB')
    .option('--stat', 'only the sums')
    .addHelpText(
      'after',
      `
Examples:
  worktrail diff $session --patch | git apply
  worktrail diff $session --from 3 --to head`,
    )
    .action(action(diff));
  const files = program.command('files').description('the files of a session, open or asleep');
  files
    .command('list <session> [path]', { isDefault: true })
    .description('what is in a directory (default: the work tree)')
    .option('--at <checkpoint>', 'as of this checkpoint: its id, number or label (default: now)')
    .addHelpText('after', '\nExample:\n  worktrail files list $session src --at 2')
    .action(action(fileList));
  files
    .command('read <session> <path>')
    .alias('get')
    .description('the bytes of a file on stdout')
    .option('--at <checkpoint>', 'as of this checkpoint: its id, number or label (default: now)')
    .option('-o, --output <file>', 'into a file instead')
    .addHelpText('after', '\nExample:\n  worktrail files read $session package.json | jq .version')
    .action(action(fileGet));
  files
    .command('write <session> <path> [file]')
    .alias('put')
    .description('write a file, from a local one or from stdin; directories on its way are made')
    .option('-x, --executable', 'it may be run (default: as it was)')
    .option('--if-match <etag>', 'only over this content, or over any with "*"')
    .option('--create', 'only if there is none')
    .addHelpText('after', '\nExample:\n  date | worktrail files write $session notes/today.txt --create')
    .action(action(filePut));
  files
    .command('delete <session> <path>')
    .alias('rm')
    .description('delete a file')
    .option('--if-match <etag>', 'only with this content')
    .addHelpText('after', '\nExample:\n  worktrail files delete $session notes/today.txt')
    .action(action(fileRemove));
}

function addRun(program: Command, action: Action): void {
  program
    .command('run <session> <command...>')
    .usage('<session> [options] -- <command...>')
    .description('run a command in a session, live; exits as the command does')
    .option('--timeout <seconds>', 'ends it after so long', wholeNumber(1, weekSeconds))
    .option('--cwd <path>', 'relative to the work tree')
    .option('--env <NAME=value>', '(repeatable)', pair)
    .option('--background', 'do not wait; prints the command id')
    .option('-i, --interactive', 'pass the terminal on as input')
    .option('-n, --no-stdin', 'empty input, whatever stdin is')
    .addHelpText(
      'after',
      `
One word is a command line for the shell; several are quoted and joined.
What is piped in is the command's input. Ctrl-C sends INT, a second one cancels, a third one leaves
the command alone; so does TERM. After a lost connection output goes on where it was cut.

Examples:
  worktrail run $session -- npm test
  worktrail run $session --timeout 60 -- 'make -j2 && ./check'
  tar c src | worktrail run $session -- tar x
${exitCodeHelp}`,
    )
    .action(action(run));
  program
    .command('logs <session>')
    .description('the history of a session')
    .option('-f, --follow', 'go on as it happens')
    .option('--after <cursor>', 'only what follows this cursor')
    .option('--command <id>', "only this command's output: its stdout to stdout, its stderr to stderr")
    .option('--types <types>', 'only these event types, separated by commas', commaSeparated)
    .addHelpText('after', '\nExample:\n  worktrail logs $session -f --types command.queued,command.ended')
    .action(action(logs));
}

function agentOption(): Option {
  return new Option('--agent <kind>', 'who answers (default: built_in)').choices([...agentKinds]);
}

/** Which agent answers, what it may do, and how much. */
function withAgentOptions(command: Command): Command {
  command.option('-m, --model <name>', "provider/model (default: the operator's)").addOption(agentOption());
  return withAgentLimits(command)
    .option('--ask <kinds>', `ask before tools of these kinds: ${toolKinds.join(', ')}`, namesOf(toolKinds))
    .option('--reasoning', 'show what the model thinks, not only that it does');
}

/** What an agent may do where nobody can be asked, and how much. */
function withAgentLimits(command: Command): Command {
  return command
    .option('--agent-command <command>', 'how a custom agent is started')
    .option('--deny <kinds>', 'never allow tools of these kinds', namesOf(toolKinds))
    .option('--max-steps <n>', 'calls of the model', wholeNumber(1, turnLimitsMax.steps))
    .option('--max-tokens <n>', 'of all of them', wholeNumber(1, turnLimitsMax.tokens))
    .option('--max-cost <usd>', 'likewise', amount(turnLimitsMax.costUsd))
    .option('--max-seconds <n>', 'from its start', wholeNumber(1, turnLimitsMax.seconds));
}

function addAgent(program: Command, action: Action): void {
  withAgentOptions(program.command('ask <session|project> <text...>'))
    .description("send one message to a session's agent, show its answer live; a project gets a new session")
    .option('--jsonl', 'the events of the turn, one a line')
    .addHelpText(
      'after',
      `
The answer goes to stdout, what is done for it to stderr. "-" for the text: what stands on stdin.
Ctrl-C cancels the turn, a second one leaves it alone.

Examples:
  worktrail ask $session "Why does npm test fail? Mend it."
  git diff | worktrail ask $session - --max-steps 20
  answer=$(worktrail ask my-project "What is this repository about?")
${turnExitCodeHelp}`,
    )
    .action(action(ask));
  withAgentOptions(program.command('chat <session|project>'))
    .description("talk with a session's agent; a project gets a new session")
    .addHelpText(
      'after',
      `
Ctrl-C cancels the turn, a second one leaves it alone; Ctrl-D leaves. Where the agent has to ask (--ask): a allows, A always,
d denies. Without a terminal each line of stdin is a message.

Example:
  worktrail chat my-project --ask execute`,
    )
    .action(action(chat));
  const list = program
    .command('turns')
    .argument('<session>')
    .description('the messages of a session, and how the agent has answered each')
    .option('--limit <n>', 'the newest so many', wholeNumber(1, 10_000), 50)
    .action(action(turns));
  list
    .command('show <session> <turn>')
    .description('what was said and done in one of them')
    .option('--reasoning', 'with all that the model thought')
    .action(action(turnShow));
  program
    .command('permission')
    .description('answer what an agent asks for')
    .argument('<session>')
    .argument('<permission>')
    .addArgument(new Argument('<decision>').choices(['allow', 'deny']))
    .option('--always', 'for all of its kind in this session')
    .action(action(permission));
}

function addTrials(program: Command, action: Action): void {
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

function addProposals(program: Command, action: Action): void {
  program
    .command('compare <task> [session...]')
    .description('every session of the trials of a task, or these; with --diff what each has changed, side by side')
    .option('-d, --diff', "the changes of the newest trial's sessions, or of those named, beside each other")
    .option('--path <glob>', 'only of files whose path matches (repeatable)', listed)
    .option('--width <columns>', 'default: of the terminal; otherwise 80 a session', wholeNumber(20, 1_000))
    .addHelpText('after', "\nExample:\n  worktrail compare $task --diff --path 'src/**'")
    .action(action(compare));
  program
    .command('promote <session>')
    .description("put a session's change up for approval; prints the id of the proposal")
    .option('-t, --title <text>', "default: the session's title")
    .option('-d, --description <text>')
    .addHelpText(
      'after',
      `
A session has one open proposal: promoted again, its files as they are now become the head of that one.

Example:
  worktrail promote $session --title "Count lines" --description "wc -l, and a test"`,
    )
    .action(action(promote));
  const proposal = program
    .command('proposal')
    .description('changes of sessions, put up for approval')
    .addHelpText(
      'after',
      `
Examples:
  proposal=$(worktrail promote $session --title "Count lines")
  worktrail proposal show $proposal
  worktrail proposal approve $proposal --comment "well done"
  worktrail proposal merge $proposal`,
    );
  proposal.command('list <session>').description('the proposals of a session').action(action(proposalList));
  proposal.command('show <proposal>').description('one proposal').action(action(proposalShow));
  for (const [decision, does] of [
    ['approve', 'approve its head'],
    ['reject', 'reject it, for good'],
    ['close', 'close it without a merge'],
  ] as const) {
    proposal
      .command(`${decision} <proposal>`)
      .description(does)
      .option('-c, --comment <text>')
      .option('--head <commit>', 'only if this is its head')
      .action(action((cli, id: string, options: object) => proposalDecide(cli, decision, id, options)));
  }
  proposal
    .command('merge <proposal>')
    .description('merge it, and wait until that is done; exits 1 when it was not merged')
    .option('--head <commit>', 'only if this is its head')
    .option('--detach', 'do not wait')
    .addHelpText('after', '\nThe request stands until the proposal is over, or has a new head, also after Ctrl-C.')
    .action(action(proposalMerge));
}

function addSuggestions(program: Command, action: Action): void {
  const command = program
    .command('suggest')
    .description(
      'look for tasks that are worth doing in a project: failing checks, TODOs, missing tests, outdated docs, …',
    )
    .argument('[project]')
    .option('--no-scan', 'only what was found before')
    .option('--kind <kind>', 'only of this kind')
    .option('--only <state>', 'open, accepted, dismissed, resolved or all', 'open')
    .addHelpText('after', '\nExample:\n  worktrail suggest my-project\n  worktrail suggest accept sug_…')
    .action(action(suggest));
  command
    .command('accept <suggestion>')
    .description('make a task of it and a session to work on it; prints the id of the session')
    .option('-m, --message <text>', 'to the agent, instead of what the suggestion says')
    .option('--model <name>', 'the model of the agent')
    .action(action(suggestAccept));
  command
    .command('dismiss <suggestion>')
    .description('do not suggest it again')
    .option('-r, --reason <text>')
    .action(action(suggestDismiss));
}

function addOperation(program: Command, action: Action): void {
  program
    .command('context <project> <query...>')
    .description("search symbols, text and files of a project's repository")
    .option('--ref <ref>', 'branch, tag or commit (default: the newest default branch)')
    .option('--kind <kinds>', 'symbol, text, file; several with commas (default: all)', commaSeparated)
    .option('--path <pattern>', 'only below a directory, or what matches *, ** and ?')
    .option('--language <name>', 'only of this language: typescript, python, …')
    .option('-n, --limit <n>', 'so many hits', wholeNumber(1, 100), 20)
    .option('-s, --snippets', 'with the lines of each hit')
    .addHelpText('after', "\nExample:\n  worktrail context my-project 'retry with back-off' --path 'src/**/*.ts' -s")
    .action(action(context));
  program
    .command('query <sql>')
    .description('one read-only SQL statement over events, commands, sessions, …')
    .action(action(query));
  program
    .command('status')
    .description('every part with its state, addresses and disk use; exits 5 when it is not ready')
    .action(action(status));
  const runner = program.command('runner').description('the hosts that sessions are placed on');
  runner.command('list').description('the runners that are alive').action(action(runnerList));
  runner
    .command('drain <runner>')
    .description('let a runner take no session any more, and hibernate its own as they become idle')
    .option('--undo', 'let it take sessions again')
    .action(action(runnerDrain));
  program
    .command('doctor')
    .description('what has no counterpart: containers, volumes, files, sessions; exits 1 when there is something')
    .option('--fix', 'remove what is past its grace')
    .addHelpText(
      'after',
      '\nWithout --fix nothing is removed. Exits 0 when nothing is found, or left, and every part has answered.',
    )
    .action(action(doctor));
  program
    .command('limits')
    .description('the quotas of the organization, and how much of them is used')
    .option('-p, --project <id or name>', 'of this project alone, beside those of the organization')
    .action(action(limits));
  program.command('config').description('the effective configuration, without secrets').action(action(config));
}
