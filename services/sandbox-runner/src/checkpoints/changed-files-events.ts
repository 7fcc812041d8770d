// Publishes what a checkpoint changed, as `files.changed` events of its own producer.
//
// 1. Which event holds which files follows from the two commits alone: an attempt goes on where an earlier one stopped.
// 2. At most `filesMax` files are named; the last event says whether there were more.

import {
  createProducer,
  type ProducerDeps,
  type ProducerState,
  recoverProducer,
} from '@worktrail/runtime/event-producer';
import type { CheckpointInput } from '@worktrail/contract/sandbox-activities';
import type { ChangedFile } from './changed-files.ts';

const filesMax = 10_000;
const filesPerEventMax = 500;
/** Below the NATS payload limit; a path can have 4 KiB. */
const bytesPerEventMax = 400_000;
const actor = { kind: 'system', id: 'sandbox-runner' } as const;

/** What is published already; nobody else publishes meanwhile, or else publishing is refused. */
export function recoverPublished(
  deps: ProducerDeps,
  input: CheckpointInput,
  signal: AbortSignal,
): Promise<ProducerState> {
  return recoverProducer(deps, { ...input, producer: input.checkpointId, signal });
}

export async function publishChangedFiles(
  deps: ProducerDeps,
  input: CheckpointInput,
  published: ProducerState,
  changed: { files: readonly ChangedFile[]; truncated: boolean; createdMs: number },
  signal: AbortSignal,
): Promise<void> {
  const batches = planEvents(changed.files.slice(0, filesMax));
  if (batches.length === 0) return;
  const ref = { ...input, producer: input.checkpointId, signal };
  const producer = createProducer(deps, ref, published);
  const truncated = changed.truncated || changed.files.length > filesMax;
  for (const [index, files] of batches.entries()) {
    if (index < producer.state.number) continue;
    const value = {
      files: files.map((file) => ({ ...file, additions: BigInt(file.additions), deletions: BigInt(file.deletions) })),
      truncated: truncated && index === batches.length - 1,
      checkpointId: input.checkpointId,
      source: 'checkpoint',
      sinceCheckpointId: input.previous?.id ?? '',
    };
    const payload = { case: 'filesChanged', value } as const;
    await producer.append({ time: new Date(changed.createdMs), actor, commandId: input.commandId, payload });
  }
}

export function planEvents(files: readonly ChangedFile[]): ChangedFile[][] {
  const batches: ChangedFile[][] = [];
  let bytes = 0;
  for (const file of files) {
    const size = 200 + 3 * (file.path.length + file.oldPath.length);
    const last = batches.at(-1);
    if (!last || last.length === filesPerEventMax || bytes + size > bytesPerEventMax) {
      batches.push([file]);
      bytes = size;
    } else {
      last.push(file);
      bytes += size;
    }
  }
  return batches;
}
