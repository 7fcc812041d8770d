// worktrail checkpoint <session> | checkpoint list <session>

import type { Checkpoint } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';

export async function checkpoint(cli: Cli, sessionId: string, { label }: { label?: string }): Promise<number> {
  const made = await (await cli.client()).checkpoints.create(sessionId, { label });
  await (cli.screen.json ? cli.screen.document(made) : cli.screen.line(made.id));
  return exitCodes.ok;
}

export async function checkpointList({ screen, surroundings, client }: Cli, sessionId: string): Promise<number> {
  const checkpoints: Checkpoint[] = [];
  for await (const checkpoint of (await client()).checkpoints.all(sessionId)) checkpoints.push(checkpoint);
  if (screen.json) await screen.document({ items: checkpoints });
  else {
    const columns = [
      { title: 'CHECKPOINT' },
      { title: 'NUMBER', align: 'right' as const },
      { title: 'COMMIT' },
      { title: 'FILES', align: 'right' as const },
      { title: 'CREATED' },
      { title: 'CURSOR', canGo: true },
      { title: 'LABEL', shrinks: true },
    ];
    const nowMs = surroundings.nowMs();
    const row = ({ id, number, commit, filesChanged, createdAt, cursor, label }: Checkpoint) => [
      ...[id, String(number), commit.slice(0, 12), String(filesChanged)],
      ...[formatAge(createdAt, nowMs), cursor, label ?? ''],
    ];
    await screen.table(columns, checkpoints.map(row));
  }
  return exitCodes.ok;
}
