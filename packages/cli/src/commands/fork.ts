// worktrail fork: sessions of their own with the files and history of another one.

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';

export interface ForkOptions {
  checkpoint?: string;
  count: number;
}

export async function fork(cli: Cli, sessionId: string, { checkpoint, count }: ForkOptions): Promise<number> {
  const client = await cli.client();
  const made = await client.sessions.fork(sessionId, { ...(checkpoint && { checkpointId: checkpoint }), count });
  if (cli.screen.json) await cli.screen.document(made);
  else for (const { id } of made.items) await cli.screen.line(id);
  return exitCodes.ok;
}
