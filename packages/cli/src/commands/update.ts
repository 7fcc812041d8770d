// worktrail session update: brings the newest default branch into a session.

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';

export async function sessionUpdate(cli: Cli, sessionId: string, { rebase }: { rebase?: boolean }): Promise<number> {
  const { screen } = cli;
  const updated = await (await cli.client()).sessions.bringMain(sessionId, { method: rebase ? 'rebase' : 'merge' });
  const { outcome, commit, conflicts } = updated;
  if (screen.json) await screen.document(updated);
  else {
    await screen.line(`${sessionId}  ${outcome}  ${commit.slice(0, 12)}`);
    for (const path of conflicts) await screen.line(`conflict  ${path}`);
  }
  if (outcome !== 'conflicts') return exitCodes.ok;
  const how = rebase ? 'git rebase --continue' : 'a commit';
  screen.note(`It is half done: resolve the conflicts in the session and end it with ${how}.`);
  return exitCodes.failed;
}
