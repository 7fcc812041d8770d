// A message to an agent that runs in the sandbox: its process, what it says, what it asks for, until it has answered.
//
// 1. What the agent says is in the history once and in its order, whoever dies: it is told from its journal, with the log of what was told
//    beside it. What it asks to be done is done once, and answered once.
// 2. The message is given to it once. An agent that is gone with its sandbox has ended its turn; it is not begun again.
// 3. However the turn ends, the process has ended before that is said, and its process group with it.
// 4. An agent that says nothing for too long, too much, or something else than its protocol, ends the turn with that.

import type { AgentTurnResult } from '@worktrail/contract/agent-turns';
import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import { SandboxGone } from '../commands/command-execution.ts';
import type { FileChanges } from '../files/file-change.ts';
import type { LiveFiles } from '../files/live-files.ts';
import { createKeyedLock } from '../host/keyed-lock.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { SessionDirectories, SessionDirectory } from '../sessions/session-directory.ts';
import {
  type AgentDriveDeps,
  type AgentTurnControl,
  createAgentDrive,
  endedWith,
  lostWithSandbox,
} from './agent-drive.ts';
import { createAgentFiles } from './agent-files.ts';
import { type AgentLog, listAgentLogs, openAgentLog, removeAgentLog } from './agent-log.ts';
import { agentProcessId, agentTerminalId, endAgentProcess } from './agent-process.ts';
import { openToldEvents } from './told-events.ts';

export interface AgentTurnDeps extends Omit<AgentDriveDeps, 'files'> {
  sandboxes: Pick<Sandboxes, 'attach' | 'verify'>;
  directories: SessionDirectories;
  live: LiveFiles;
  changes: FileChanges;
}

export interface AgentTurns {
  /** @throws SandboxGone only of an agent that was never started. */
  run(input: RunAgentTurnInput, control: AgentTurnControl): Promise<AgentTurnResult>;
}

/** Between TERM and KILL. Of one that has answered: so that it can write down what it knows. */
const answeredGraceMs = 2_000;
const stopped = { graceMs: 200, reason: 'its turn is over' };
type Deps = AgentTurnDeps & AgentDriveDeps;

export function createAgentTurns(deps: AgentTurnDeps): AgentTurns {
  const lock = createKeyedLock();
  const files = createAgentFiles(deps);
  return { run: (input, control) => lock.run(input.turnId, () => runTurn({ ...deps, files }, input, control)) };
}

async function runTurn(deps: Deps, input: RunAgentTurnInput, control: AgentTurnControl): Promise<AgentTurnResult> {
  control.detached.throwIfAborted();
  const sandbox = await deps.sandboxes.attach(input);
  try {
    return await runTurnIn(sandbox, deps, input, control);
  } catch (error) {
    const isGone = sandbox && !control.detached.aborted && !(await deps.sandboxes.verify(sandbox));
    if (!isGone) throw error;
    return await runTurnIn(undefined, deps, input, control);
  }
}

async function runTurnIn(
  sandbox: OpenSandbox | undefined,
  deps: Deps,
  input: RunAgentTurnInput,
  control: AgentTurnControl,
): Promise<AgentTurnResult> {
  const directory = deps.directories.at(input.sessionId);
  const log = openAgentLog(directory.path, input.turnId);
  try {
    if (!log.begun) {
      if (input.mayHaveBegun) return endedWith('failed', lostWithSandbox);
      if (!sandbox) throw new SandboxGone(`the sandbox of ${input.sessionId} is not here`);
      if (input.stop || control.canceled.aborted) return endedWith('canceled', '');
      await endOthers(sandbox, directory, input.turnId);
    }
    return await goOn(deps, input, control, { directory, log, sandbox });
  } finally {
    log.close();
  }
}

interface Place {
  directory: SessionDirectory;
  log: AgentLog;
  sandbox: OpenSandbox | undefined;
}

async function goOn(
  deps: Deps,
  input: RunAgentTurnInput,
  control: AgentTurnControl,
  { directory, log, sandbox }: Place,
): Promise<AgentTurnResult> {
  const telling = await openToldEvents(deps, input, control.detached, log);
  const processId = agentProcessId(input.turnId);
  if (!log.begun && sandbox) {
    log.add({ begun: { bootId: sandbox.bootId, processId, time: new Date(deps.clock()).toISOString() } });
  }
  const here = sandbox && sandbox.bootId === log.begun?.bootId ? sandbox : undefined;
  const driving = { deps, input, control, log, telling, directory, sandbox: here, processId };
  const result = log.result ?? (await createAgentDrive(driving).run());
  if (result.kind === 'permissions') return result;
  await telling.publish();
  const graceMs = result.outcome === 'completed' ? answeredGraceMs : stopped.graceMs;
  if (here) {
    const agentEnded = endAgentProcess(here, processId, { ...stopped, graceMs });
    await Promise.all([agentEnded, ...terminalIds(input.turnId, log).map((id) => endAgentProcess(here, id, stopped))]);
  }
  for (const id of [processId, ...terminalIds(input.turnId, log)]) await sandbox?.link.removeCommand(id);
  return result;
}

/** Of turns before, whose end came without their runner. */
async function endOthers(sandbox: OpenSandbox, directory: SessionDirectory, turnId: string): Promise<void> {
  for (const other of await listAgentLogs(directory.path)) {
    if (other === turnId) continue;
    for (const id of [agentProcessId(other), ...terminalIds(other, openAgentLog(directory.path, other))]) {
      await endAgentProcess(sandbox, id, stopped).catch(() => undefined);
      await sandbox.link.removeCommand(id);
    }
    await removeAgentLog(directory.path, other);
  }
}

function terminalIds(turnId: string, { terminals }: AgentLog): string[] {
  return Array.from({ length: terminals }, (_, index) => agentTerminalId(turnId, index + 1));
}
