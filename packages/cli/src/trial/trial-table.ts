// What came of a trial, one row for each attempt.

import type { Trial } from '@worktrail/client';
import type { Screen } from '../screen/screen.ts';
import { durationBetween, formatCost } from '../screen/quantities.ts';
import { paintState } from '../screen/style.ts';
import { visible } from '../screen/visible-text.ts';

export async function printTrial(screen: Screen, trial: Trial): Promise<void> {
  const { style } = screen;
  const columns = [
    { title: '#', align: 'right' as const },
    { title: 'ATTEMPT', shrinks: true },
    { title: 'SESSION' },
    { title: 'STATE' },
    { title: 'VERDICT', style: (padded: string, verdict: string) => paintState(style, verdict)(padded) },
    { title: 'TIME', align: 'right' as const },
    { title: 'WHY', shrinks: true },
  ];
  const rows = trial.sessions.map((session, index) => [
    String(index + 1),
    session.title ?? '',
    session.sessionId,
    session.state,
    session.verdict ?? '',
    durationBetween(session.startedAt, session.endedAt),
    session.reason ?? '',
  ]);
  await screen.table(columns, rows);
  const passed = trial.sessions.filter(({ verdict }) => verdict === 'passed').length;
  const took = durationBetween(trial.createdAt, trial.endedAt);
  const { tokens, costUsd } = trial.usage;
  const used = tokens > 0 ? `, ${tokens} tokens${costUsd > 0 ? `, ${formatCost(costUsd)}` : ''}` : '';
  if (trial.reason) await screen.line(visible(trial.reason));
  await screen.line(
    `trial ${trial.id}: ${paintState(style, trial.state)(trial.state)}, ${passed} of ${trial.sessions.length} passed${took ? `, ${took}` : ''}${used}`,
  );
}
