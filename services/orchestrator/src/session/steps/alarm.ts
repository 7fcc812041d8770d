// The one timer of a session. When it rings, the loop sees for itself what is due.

import { sleep } from '@temporalio/workflow';
import type { SessionRun } from '../run.ts';

export function setAlarm(run: SessionRun, atMs: number): void {
  run.background.abandon('alarm');
  run.alarmAtMs = atMs;
  run.background.begin('alarm', async () => {
    await sleep(Math.max(1, atMs - Date.now()));
    run.alarmAtMs = null;
  });
}
