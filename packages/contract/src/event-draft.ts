// An event as a workflow writes it down: plain JSON that becomes a protobuf Event in the activity that publishes it.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { EventSchema } from '@worktrail/proto/event';
import type { LeftOut } from './checkpoints.ts';
import type { ActorRef } from './commands.ts';

type PayloadInit = Exclude<NonNullable<MessageInitShape<typeof EventSchema>['payload']>, { case?: undefined }>;

/** What was changed in a work tree, with plain numbers for its 64-bit ones. */
export interface FilesChangedDraft {
  case: 'filesChanged';
  value: {
    source: string;
    files: {
      path: string;
      status: string;
      additions: number;
      deletions: number;
      oldBlob: string;
      newBlob: string;
      binary: boolean;
    }[];
  };
}

/** What a call of a model took, with plain numbers for its 64-bit ones. */
export interface UsageDraft {
  case: 'usage';
  value: { model: string; inputTokens: number; outputTokens: number; cachedInputTokens: number; costUsd: number };
}

/** As above. */
export interface CheckpointCreatedDraft {
  case: 'checkpointCreated';
  value: {
    checkpointId: string;
    number: number;
    commit: string;
    tree: string;
    label: string;
    filesChanged: number;
    leftOut: LeftOut[];
  };
}

/** Only payloads whose fields are plain JSON (no bytes, no 64-bit integers, no timestamps). */
export interface EventDraft {
  /** Contiguous from 1 within the producer. */
  number: number;
  /** ISO 8601, the workflow's clock. */
  time: string;
  actor: ActorRef;
  commandId?: string;
  turnId?: string;
  payload:
    | Extract<
        PayloadInit,
        {
          case:
            | `session${string}`
            | `proposal${string}`
            | `turn${string}`
            | `permission${string}`
            | 'trialVerdict'
            | 'messageUser'
            | 'toolStarted'
            | 'toolEnded'
            | 'planUpdated'
            | 'commandQueued'
            | 'commandEnded'
            | 'limitReached'
            | 'gap';
        }
      >
    | FilesChangedDraft
    | UsageDraft
    | CheckpointCreatedDraft;
}
