// A setup command is a command like any other: in the history, with its output, and followed by the same step.

import { newWorkflowId, now } from '../../workflow-clock.ts';
import { acceptCommand } from '../commands.ts';
import type { SessionRun } from '../run.ts';

export function startSetupCommand({ state }: SessionRun, command: string): void {
  const spec = {
    id: newWorkflowId('command'),
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
