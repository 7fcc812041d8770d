// Why something in a work tree cannot be listed or read.

import { WorktrailError } from '@worktrail/contract/errors';
import type { EndFrame } from '../supervision/journal-format.ts';

export type FileProblem =
  | 'missing'
  | 'symlink'
  | 'submodule'
  | 'directory'
  /** Where a directory is asked for. */
  | 'file'
  | 'special'
  | 'unreadable'
  | 'changing';

/** `reached`: the part of the path that it is about. */
export function fileProblem(path: string, reached: string, problem: FileProblem): WorktrailError {
  switch (problem) {
    case 'missing':
      return new WorktrailError('not_found', `there is no ${path} in the work tree`);
    case 'symlink':
      return new WorktrailError('conflict', `${reached} is a symlink, and none is followed: ask for what it leads to`);
    case 'submodule':
      return new WorktrailError('conflict', `${reached} is a submodule, whose files are not in this tree`);
    case 'directory':
      return new WorktrailError('conflict', `${reached} is a directory: list it with ?path=`);
    case 'file':
      return new WorktrailError('conflict', `${reached} is a file, not a directory`);
    case 'special':
      return new WorktrailError('conflict', `${reached} is no regular file`);
    case 'unreadable':
      return new WorktrailError('conflict', `${reached || 'the work tree'} cannot be read by the user of the sandbox`);
    case 'changing':
      return new WorktrailError('session_busy', `${reached || 'the work tree'} changes while it is read`);
  }
}

/** Exit codes of the scripts beside this file. */
const problems: Record<number, FileProblem> = {
  10: 'missing',
  11: 'symlink',
  12: 'file',
  13: 'directory',
  14: 'special',
  15: 'unreadable',
  16: 'changing',
};

/** Undefined where a script has done what it was to do. @throws for what is no problem with the path */
export function readProblem(path: string, end: EndFrame, stderr: string): WorktrailError | undefined {
  if (end.outcome === 'exited' && end.exitCode === 0) return undefined;
  const problem = end.outcome === 'exited' ? problems[end.exitCode ?? -1] : undefined;
  if (!problem) throw new Error(`the files of a sandbox could not be used: ${end.outcome} ${end.exitCode}: ${stderr}`);
  const parts = Number(/(\d{1,4})\n$/.exec(stderr)?.[1] ?? 0);
  const reached = path.split('/').slice(0, parts).join('/');
  // A file on the way to a file: there is nothing behind it.
  return fileProblem(path, reached, problem === 'file' && reached !== path ? 'missing' : problem);
}
