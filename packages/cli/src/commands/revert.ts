// worktrail revert

import type { WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { visible } from '../screen/visible-text.ts';

/** `named`: a checkpoint by its id or its number. */
export async function revert(cli: Cli, sessionId: string, named: string, { force }: { force?: true }): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const checkpointId = /^\d+$/.test(named) ? await idOfNumber(client, sessionId, Number(named)) : named;
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

async function idOfNumber(client: WorktrailClient, sessionId: string, number: number): Promise<string> {
  for await (const checkpoint of client.checkpoints.all(sessionId))
    if (checkpoint.number === number) return checkpoint.id;
  throw new CliError(`the session has no checkpoint ${number}`, exitCodes.notFound);
}
