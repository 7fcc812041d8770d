// Long output on a terminal goes through the user's pager, as git's does.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Screen, writeAll } from './screen.ts';

/** Resolves once the user has left it; to false where there is no such program. */
export type RunPager = (command: string, env: NodeJS.ProcessEnv, text: string) => Promise<boolean>;

/** Null where the user wants none. */
function pagerCommand(env: NodeJS.ProcessEnv): string | null {
  const wanted = env['PAGER'] ?? 'less';
  return wanted === '' || wanted === 'cat' ? null : wanted;
}

interface PagerSurroundings {
  env: NodeJS.ProcessEnv;
  onSignal(signals: readonly NodeJS.Signals[], listener: () => void): () => void;
  runPager: RunPager;
}

export async function printLong(screen: Screen, surroundings: PagerSurroundings, text: string): Promise<void> {
  const { env, onSignal, runPager } = surroundings;
  const command = screen.isTerminal ? pagerCommand(env) : null;
  if (command !== null) {
    // Ctrl-C is the pager's.
    const stop = onSignal(['SIGINT'], () => undefined);
    const wasShown = await runPager(command, env, `${text}\n`).finally(stop);
    if (wasShown) return;
  }
  await screen.line(text);
}

const commandNotFoundCode = 127;

export const runPager: RunPager = async (command, env, text) => {
  // F: what fits on the screen is printed. R: colours. X: it stays on the screen.
  const child = spawn(command, { shell: true, env: { LESS: 'FRX', ...env }, stdio: ['pipe', 'inherit', 'inherit'] });
  const closed = once(child, 'close');
  child.stdin.on('error', () => undefined);
  const written = writeAll(child.stdin, text).then(() => child.stdin.end());
  // It fails where the user leaves before the end.
  const [[code]] = await Promise.all([closed, written.catch(() => undefined)]);
  return code !== commandNotFoundCode;
};
