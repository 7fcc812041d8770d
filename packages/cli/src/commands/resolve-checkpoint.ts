// How a checkpoint is named on the command line: by its id, its number, or its label where one checkpoint alone has it.

import type { WorktrailClient } from '@worktrail/client';
import { CliError, exitCodes } from '../exit-codes.ts';
import { visible } from '../screen/visible-text.ts';

/** What needs no look-up is left to the API, also where it will refuse it. */
const taken = /^(base|head|chk_[0-9a-z]+)$/;

/** @throws CliError where the session has none, or several, of that name. */
export async function checkpointIdOf(client: WorktrailClient, sessionId: string, named: string): Promise<string> {
  if (taken.test(named)) return named;
  const number = /^\d+$/.test(named) ? Number(named) : null;
  const labelled: { id: string; number: number }[] = [];
  for await (const checkpoint of client.checkpoints.all(sessionId)) {
    if (checkpoint.number === number) return checkpoint.id;
    if (checkpoint.label === named) labelled.push(checkpoint);
  }
  const [first, ...others] = labelled;
  const all = `worktrail checkpoint list ${sessionId}`;
  if (!first) throw new CliError(`the session has no checkpoint ${visible(named)}`, exitCodes.notFound, `All: ${all}`);
  if (others.length === 0) return first.id;
  const numbers = labelled.map((one) => one.number).join(', ');
  throw new CliError(
    `checkpoints ${numbers} are all called ${visible(named)}`,
    exitCodes.usage,
    'Name one by its number.',
  );
}
