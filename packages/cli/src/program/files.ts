// A session's files and what has changed in them.

import type { Command } from 'commander';
import { diff } from '../commands/diff.ts';
import { fileGet, fileList, filePut, fileRemove } from '../commands/files.ts';
import type { Action } from './action.ts';

export function addFiles(program: Command, action: Action): void {
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
