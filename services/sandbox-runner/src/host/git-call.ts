// A call of git whose answer is what it printed, as one text.

import { simpleGit } from 'simple-git';

export interface GitCall {
  /** A repository that only the runner writes to: its configuration can run code. */
  directory: string;
  args: string[];
  /** All of its environment. */
  env: Record<string, string>;
  /** One that prints nothing for so long is ended. */
  silentMsMax: number;
}

/** Rejects with git's own words where it failed and has some, or with the signal's reason. */
export type CallGit = (call: GitCall, signal: AbortSignal) => Promise<string>;

/** As a child of this process (program-start.ts says what that costs). */
export const callGitAsChild: CallGit = async ({ directory, args, env, silentMsMax }, signal) => {
  const git = simpleGit({
    baseDir: directory,
    timeout: { block: silentMsMax },
    // The configuration files are ours.
    unsafe: { allowUnsafeConfigPaths: true, allowUnsafeConfigEnvCount: true, allowUnsafeInclude: true },
    allowEnvironment: Object.keys(env),
    abort: signal,
  });
  try {
    return await git.env(env).raw(args);
  } catch (error) {
    // Not git's own failure.
    signal.throwIfAborted();
    throw error;
  }
};
