// worktrail fork: sessions of their own with the files and history of another one.

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { checkpointIdOf } from './resolve-checkpoint.ts';

export interface ForkOptions {
  checkpoint?: string;
  count: number;
}

export async function fork(cli: Cli, sessionId: string, { checkpoint, count }: ForkOptions): Promise<number> {
  const client = await cli.client();
  const checkpointId = checkpoint && (await checkpointIdOf(client, sessionId, checkpoint));
  const made = await client.sessions.fork(sessionId, { ...(checkpointId && { checkpointId }), count });
  if (cli.screen.json) await cli.screen.document(made);
  else for (const { id } of made.items) await cli.screen.line(id);
  return exitCodes.ok;
}
