// Projects: repositories, what is read of them with, and what a change of theirs needs.

import { pullRequestHosts } from '@worktrail/contract/documents';
import { type Command, Option } from 'commander';
import { projectApproval } from '../commands/approval.ts';
import { projectCreate, projectCredential, projectList, projectShow } from '../commands/project.ts';
import { commaSeparated, listed, pair, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';

export function addProjects(program: Command, action: Action): void {
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
        ...pullRequestHosts,
      ]),
    )
    .option('--pull-requests-api <url>', 'where that is not at its usual path')
    .addHelpText(
      'after',
      '\nA change takes the approvals of open proposals away.\n\nExample:\n  worktrail project approval app --required 1 --check "npm ci" --check "npm test"',
    )
    .action(action(projectApproval));
}
