// A setup command is a command like any other: in the history, with its output, and followed by the same step.

import { uuid4 } from '@temporalio/workflow';
import { idFrom } from '@worktrail/contract/ids';
import { acceptCommand } from '../commands.ts';
import { now, type SessionRun } from '../run.ts';

export function startSetupCommand({ state }: SessionRun, command: string): void {
  const spec = {
    id: newCommandId(),
    command,
    cwd: '',
    env: {},
    timeoutSeconds: null,
    stdin: '',
    background: false,
    origin: 'setup' as const,
    actor: { kind: 'system' as const, id: 'setup' },
    queuedAt: now(),
  };
  acceptCommand(state, spec, null, now());
}

/** From the workflow's clock and randomness: replay gives the same id. */
function newCommandId(): string {
  const hex = uuid4().replaceAll('-', '');
  const entropy = Uint8Array.from({ length: 10 }, (_, index) =>
    Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16),
  );
  return idFrom('command', Date.now(), entropy);
}
