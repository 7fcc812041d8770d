// The JSON of a checkpoint: its event, at the position in the history that it is tied to.

import { z } from '@hono/zod-openapi';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { formatCursor } from '@worktrail/contract/cursor';
import type { PositionedEvent } from '../events/history.ts';
import { id, name, time } from '../text.ts';

export const checkpointSchema = z
  .object({
    id: id('checkpoint'),
    number: z.int().openapi({ description: "Counts the session's checkpoints from 1." }),
    commit: z.string().openapi({ description: "Of the work tree as a commit, outside the repository's own branches." }),
    tree: z.string(),
    label: z.string().optional(),
    commandId: id('command').optional().openapi({ description: 'The command that it follows.' }),
    cursor: z.string().openapi({ description: 'Of its event: the history up to it led to these files.' }),
    createdAt: time,
    filesChanged: z.int().openapi({ description: 'Against the checkpoint before it.' }),
    leftOut: z
      .array(
        z.object({
          kind: z.string().openapi({
            description: 'large, unreadable, name (git refuses it), special, changing, nested, or of a repository.',
          }),
          count: z.int(),
          files: z
            .array(z.object({ path: z.string(), bytes: z.int(), sha256: z.string() }))
            .openapi({ description: 'The first of them; size and digest of large ones.' }),
        }),
      )
      .openapi({ description: 'What of the work tree and the repository is not in it.' }),
  })
  .openapi('Checkpoint');

export const createCheckpointSchema = z.strictObject({ label: name.optional() }).openapi('CreateCheckpoint');

/** Undefined for another event. */
export function checkpointJson({ event, cursor }: PositionedEvent) {
  if (event.payload.case !== 'checkpointCreated') return undefined;
  const { checkpointId, number, commit, tree, label, filesChanged, leftOut } = event.payload.value;
  return {
    ...{ id: checkpointId, number, commit, tree },
    ...(label && { label }),
    ...(event.commandId && { commandId: event.commandId }),
    cursor: formatCursor(cursor),
    createdAt: event.time ? timestampDate(event.time).toISOString() : new Date(0).toISOString(),
    filesChanged,
    leftOut: leftOut.map(({ kind, count, files }) => ({
      ...{ kind, count },
      files: files.map(({ path, bytes, sha256 }) => ({ path, bytes: Number(bytes), sha256 })),
    })),
  };
}
