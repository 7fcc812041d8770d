// Who may use the API: organizations and keys.

import type { Command } from 'commander';
import { keyCreate, keyDelete, keyList } from '../commands/key.ts';
import { orgCreate } from '../commands/org.ts';
import { commaSeparated } from '../option-values.ts';
import type { Action } from './action.ts';

export function addOrganizations(program: Command, action: Action): void {
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
