// Opens a session's sandbox from what opening-decision.ts says.
//
// 1. A volume that is the session's files is never removed by an opening, however it fails.
// 2. What is out of date goes before anything else is made, and what a failed opening made goes with it.
// 3. Where the archive is not in the store any more, or not what was stored, the checkpoint counts.

import type { OpenedSandbox, OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import type { Logger } from '@worktrail/runtime/log';
import { ArtifactCorrupt, ArtifactMissing } from '../artifacts/artifact-store.ts';
import { CheckpointMissing } from '../checkpoints/checkpoint-engine.ts';
import { decideOpening, type Opening } from './opening-decision.ts';
import type { SandboxMaking } from './sandbox-making.ts';
import type { SandboxRecord } from '../sessions/session-directory.ts';
import { SessionFailure } from '../sessions/session-failure.ts';

export interface SandboxOpening {
  /** @throws SessionFailure */
  open(record: SandboxRecord | undefined, input: OpenSandboxInput, signal: AbortSignal): Promise<OpenedSandbox>;
}

export function createSandboxOpening({ making, log }: { making: SandboxMaking; log: Logger }): SandboxOpening {
  async function anew(
    opening: Exclude<Opening, { from: 'volume' | 'nothing' }>,
    input: OpenSandboxInput,
    signal: AbortSignal,
  ): Promise<OpenedSandbox> {
    try {
      if (opening.from === 'archive') return await making.makeFromArchive(input, opening.archive, signal);
      if (opening.from === 'checkpoint') return await making.makeFromCheckpoint(input, opening.persisted, signal);
      return await making.makeNew(input, signal);
    } catch (error) {
      await making.removeEverything(input.sessionId).catch((err: unknown) => {
        log.error({ err, sessionId: input.sessionId }, 'what a failed opening left could not be removed');
      });
      throw error;
    }
  }

  return {
    async open(record, input, signal) {
      const { sessionId } = input;
      const opening = decideOpening(record, input, record !== undefined && (await making.hasVolumes(record)));
      if (opening.from === 'nothing')
        throw new SessionFailure('workspace_lost', `the volumes of generation ${input.filesGeneration} are gone`);
      if (opening.from === 'volume') return making.makeAgain(record!, input, signal);
      if (record) await making.removeEverything(sessionId);
      try {
        return await anew(opening, input, signal);
      } catch (error) {
        if (!isGone(error)) throw error;
        log.error({ err: error, sessionId }, 'what was stored of a session is not in the store any more');
        const hasLess = opening.from === 'archive' || (opening.from === 'checkpoint' && opening.persisted !== null);
        if (hasLess && input.restore?.checkpoint)
          return anew({ from: 'checkpoint', persisted: null }, input, signal).catch(lost);
        return lost(error);
      }
    },
  };
}

function isGone(error: unknown): error is Error {
  return [ArtifactMissing, ArtifactCorrupt, CheckpointMissing].some((kind) => error instanceof kind);
}

function lost(error: unknown): never {
  if (!isGone(error)) throw error;
  throw new SessionFailure('workspace_lost', error.message, { cause: error });
}
