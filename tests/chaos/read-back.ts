// Reads one session's work back through the public API and says what is wrong with it.

import type { WorktrailClient } from '@worktrail/client';
import { checkCommand, checkCommandEvents } from './checks.ts';
import { keepsFiles } from './kept-files.ts';
import { readCheckpoints, readCommand, readHistory, settledState } from './observe.ts';
import { readFeeds } from './read-feeds.ts';
import type { RoundResult } from './round-result.ts';
import { fileCheck, type SessionWork } from './session-work.ts';

/** Adds what it finds to `result`. All commands of `work` must have been answered. */
export async function readBack(
  client: WorktrailClient,
  { sessionId, followers, commands }: SessionWork,
  result: RoundResult,
  signal: AbortSignal,
): Promise<void> {
  const { violations } = result;
  const keeps = keepsFiles(
    await readHistory(client, sessionId, signal),
    await readCheckpoints(client, sessionId, signal),
  );
  const files: ReturnType<typeof fileCheck>[] = [];
  for (const command of commands) {
    const observed = await readCommand(client, sessionId, command.id, signal);
    violations.push(...checkCommand(command, observed));
    result.commands++;
    result.bytes += observed.stdout.length;
    if (observed.outcome !== 'exited') result.lostCommands++;
    if (observed.outcome === 'exited' && command.files.length > 0 && keeps(command.id))
      files.push(fileCheck(command.files));
  }
  const known = new Set(commands.map(({ id }) => id));
  for (const { command, stdout } of files) {
    const read = await client.commands.run(sessionId, { command, stdin: '' }, { waitSeconds: 60, signal });
    known.add(read.id);
    if (read.output?.text !== stdout) {
      violations.push({ kind: 'differs', what: `files of ${sessionId}: ${read.output?.text}, not ${stdout}` });
    }
  }
  const listed: string[] = [];
  for await (const { id, state, command } of client.commands.all(sessionId, { signal })) {
    listed.push(id);
    if (state !== 'ended')
      violations.push({ kind: 'stuck', what: `${id} (${command.slice(0, 40)}) is listed as ${state}` });
  }
  const unknown = listed.filter((id) => !known.has(id));
  if (new Set(listed).size !== listed.length) violations.push({ kind: 'duplicate', what: 'a command is listed twice' });
  if (unknown.length > 0) violations.push({ kind: 'duplicate', what: `commands nobody asked for: ${unknown.join()}` });
  for (const id of known) if (!listed.includes(id)) violations.push({ kind: 'lost', what: `${id} is not listed` });

  const session = await settledState(client, sessionId, signal);
  if (session !== 'ready') violations.push({ kind: 'stuck', what: `session ${sessionId} is ${session}` });
  const history = await readFeeds(client, { sessionId, followers }, violations, signal);
  result.events += history.length;
  violations.push(...checkCommandEvents(history, listed));
}
