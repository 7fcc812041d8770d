// worktrail open: how to fetch a session's branch with plain git. It shows no key: git asks for it, or its environment has it.

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { quoteWord } from '../shell-quote.ts';

/** Where they are served: a session that has ended has no branch there. */
const ended = ['archived', 'failed'];

export async function open(cli: Cli, sessionId: string): Promise<number> {
  const { screen } = cli;
  const session = await (await cli.client()).sessions.get(sessionId);
  if (ended.includes(session.state)) {
    screen.note(`error: the session is ${session.state}: its branch is not served any more`);
    return exitCodes.failed;
  }
  const { apiUrl } = await cli.connection();
  const repository = `${apiUrl.replace(/\/+$/, '')}/v1/git/${session.projectId}.git`;
  const ways = howToFetch(repository, session.branch);
  if (screen.json)
    await screen.document({ repository, branch: session.branch, headCommit: session.headCommit, ...ways });
  else {
    await screen.fields([
      ['repository', repository],
      ['branch', session.branch],
      ['head commit', session.headCommit],
    ]);
    await screen.line(`\nIn a clone that you have:\n  ${ways.fetch}\nAnew:\n  ${ways.clone}`);
    screen.note('\ngit asks for a user name, which may be any, and for a password: a key with the scope read.');
    screen.note(`What is not committed is not on the branch: worktrail diff ${sessionId} --patch`);
  }
  return exitCodes.ok;
}

export function howToFetch(repository: string, branch: string): { fetch: string; clone: string } {
  const [from, name] = [quoteWord(repository), quoteWord(branch)];
  return {
    fetch: `git fetch ${from} ${quoteWord(`+${branch}:${branch}`)} && git switch ${name}`,
    clone: `git clone --branch ${name} ${from}`,
  };
}
