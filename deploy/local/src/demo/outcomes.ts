/** The table of what each session of the demonstration did. */
import type { Command, Trial } from '@worktrail/client';
import { APPROACHES } from './approaches.ts';
import { formatTable } from './table.ts';
import type { Stage } from './stage.ts';

const HEADERS = ['approach', 'verdict', 'files changed', 'output', 'commands', 'duration'];
const COUNT_CHANGED_FILES = 'git status --porcelain --untracked-files=all | wc -l';

export async function printOutcomes(stage: Stage, trial: Trial): Promise<void> {
  const rows = await Promise.all(
    trial.sessions.map(async ({ sessionId, verdict }, index) => {
      const { items } = await stage.api.commands.list(sessionId, { limit: 200 });
      const counted = await stage.api.commands.run(sessionId, { command: COUNT_CHANGED_FILES }, { waitSeconds: 30 });
      const changed = counted.output?.text.trim() || '?';
      return [APPROACHES[index]?.title ?? sessionId, verdict ?? 'none', changed, ...summarize(items)];
    }),
  );
  stage.write(`\n${stage.style.bold('What each did')}\n${formatTable(HEADERS, rows)}\n`);
}

/** Bytes of output, number of commands, and the time from the first start to the last end. */
export function summarize(
  commands: Pick<Command, 'startedAt' | 'endedAt' | 'stdoutBytes' | 'stderrBytes'>[],
): [string, string, string] {
  const bytes = commands.reduce((sum, { stdoutBytes, stderrBytes }) => sum + stdoutBytes + stderrBytes, 0);
  const times = (values: (string | null)[]) => values.filter((time) => time !== null).map((time) => Date.parse(time));
  const startedAt = Math.min(...times(commands.map((command) => command.startedAt)));
  const endedAt = Math.max(...times(commands.map((command) => command.endedAt)));
  const duration = endedAt >= startedAt ? `${((endedAt - startedAt) / 1000).toFixed(1)} s` : '?';
  return [`${bytes} B`, String(commands.length), duration];
}
