// Why something in a work tree cannot be listed or read.

import { WorktrailError } from '@worktrail/contract/errors';

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
