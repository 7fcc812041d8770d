// Tells supervisors what of their commands' output is stored, which is what lets them go on reading.
//
// 1. While the disk has no room this waits: the output goes on to be published, each supervisor stops reading at its bound of
//    unacknowledged bytes, and so the command waits, not the disk. When there is room again all of them are told.
// 2. What a supervisor could not be told is told again, as long as it is open: nothing else would make the command go on.

import type { PartWatch } from '../host/part-watch.ts';

const tellAgainMs = 1_000;

export interface Acknowledgements {
  /** `tell`: hands a position to the supervisor. */
  open(tell: (position: number) => Promise<void>): Acknowledgement;
}

export interface Acknowledgement {
  /** Everything below this position is stored. */
  stored(position: number): void;
  close(): void;
}

export function createAcknowledgements(disk: Pick<PartWatch, 'failure' | 'onChange'>): Acknowledgements {
  const open = new Set<() => void>();
  disk.onChange(() => {
    for (const tellOne of open) tellOne();
  });
  return {
    open(tell) {
      let stored = 0;
      let told = 0;
      let telling = false;
      let again: NodeJS.Timeout | undefined;
      const tellStored = (): void => {
        if (telling || stored <= told || !open.has(tellStored) || disk.failure() !== null) return;
        const position = stored;
        telling = true;
        clearTimeout(again);
        tell(position)
          .then(
            () => {
              told = position;
            },
            () => {
              again = setTimeout(tellStored, tellAgainMs).unref();
            },
          )
          .finally(() => {
            telling = false;
            if (told === position) tellStored();
          });
      };
      open.add(tellStored);
      return {
        stored(position) {
          stored = Math.max(stored, position);
          tellStored();
        },
        close() {
          open.delete(tellStored);
          clearTimeout(again);
        },
      };
    },
  };
}
