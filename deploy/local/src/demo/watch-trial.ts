/** Follows a trial from its start to its end: the events of its sessions as they come, then its verdicts. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Trial } from '@worktrail/client';
import { APPROACHES } from './approaches.ts';
import { createNarrator } from './narrate.ts';
import { createSideBySide } from './side-by-side.ts';
import type { Stage } from './stage.ts';

const TRIAL_TIMEOUT_MS = 180_000;
const POLL_INTERVAL_MS = 250;
/** After the trial's end, how long a stream may be silent before it counts as complete. */
const TRAILING_SILENCE_MS = 400;

export async function followTrial(stage: Stage, trialId: string, sessions: number): Promise<Trial> {
  const deadline = performance.now() + TRIAL_TIMEOUT_MS;
  const read = () => stage.api.trials.get(trialId);
  const until = async (isDone: (trial: Trial) => boolean): Promise<Trial> => {
    for (;;) {
      stage.signal.throwIfAborted();
      const trial = await read();
      if (isDone(trial)) return trial;
      if (performance.now() > deadline) throw new Error(`the trial ${trialId} did not end within 3 minutes`);
      await delay(POLL_INTERVAL_MS);
    }
  };
  const begun = await until((trial) => trial.sessions.length >= sessions || trial.state !== 'running');
  const show = showSessions(stage, begun);
  try {
    const ended = await until((trial) => trial.state !== 'running');
    await show.settled();
    return ended;
  } finally {
    await show.close();
  }
}

function showSessions(stage: Stage, trial: Trial) {
  const columns = createSideBySide({
    write: stage.write,
    columns: trial.sessions.length,
    terminalWidth: stage.terminalWidth,
  });
  const cut = new AbortController();
  const signal = AbortSignal.any([cut.signal, stage.signal]);
  let lastEventAt = performance.now();
  APPROACHES.forEach(({ title }, column) => columns.push(column, title.toUpperCase()));
  const followed = trial.sessions.map(async ({ sessionId }, column) => {
    const narrate = createNarrator();
    try {
      for await (const event of stage.api.events.follow(sessionId, { signal })) {
        lastEventAt = performance.now();
        for (const line of narrate(event)) columns.push(column, line);
      }
    } catch (error) {
      if (!signal.aborted) columns.push(column, `(the live view broke off: ${(error as Error).message})`);
    }
  });
  return {
    async settled() {
      while (performance.now() - lastEventAt < TRAILING_SILENCE_MS) await delay(50);
    },
    async close() {
      cut.abort();
      await Promise.all(followed);
      columns.close();
    },
  };
}
