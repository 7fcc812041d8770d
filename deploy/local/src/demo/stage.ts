/** What every part of the demonstration works with. */
import type { WorktrailClient } from '@worktrail/client';
import type { Style } from '../terminal.ts';

export interface Stage {
  api: WorktrailClient;
  style: Style;
  write: (text: string) => void;
  /** Undefined where there is no terminal. */
  terminalWidth: number | undefined;
  signal: AbortSignal;
}
