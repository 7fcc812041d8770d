// worktrail revert

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { visible } from '../screen/visible-text.ts';
import { checkpointIdOf } from './resolve-checkpoint.ts';

export async function revert(cli: Cli, sessionId: string, named: string, { force }: { force?: true }): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const checkpointId = await checkpointIdOf(client, sessionId, named);
  const made = await client.sessions.revert(sessionId, { checkpointId, ...(force && { force }) });
  if (screen.json) await screen.document(made);
  else await screen.line(made.id);
  screen.note(`as checkpoint ${made.revertedTo.number}; it is checkpoint ${made.number} now.`);
  if (!made.exact) screen.note('Something has written to the work tree meanwhile.');
  for (const what of made.notTouched) screen.note(`not touched: ${visible(what)}`);
  for (const what of made.notRestored) screen.note(`not restored: ${visible(what)}`);
  for (const what of made.removed) screen.note(`removed, and in no checkpoint: ${visible(what)}`);
  return exitCodes.ok;
}
