import type { Cli } from '../cli.ts';

/** What commander calls with the arguments and options of a command, from what does it and answers with the exit code. */
export type Action = <Args extends unknown[]>(
  handler: (cli: Cli, ...args: Args) => Promise<number>,
) => (...args: unknown[]) => Promise<void>;
