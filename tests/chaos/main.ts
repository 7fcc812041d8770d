// `npm run chaos`: rounds of faults on a cluster of its own. Exit code 0: nothing was lost, doubled, stuck or left; 1: something
// was, and the state directory is kept; 2: wrong options.

import { mkdtemp, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Violation } from './checks.ts';
import { startDriver } from './driver.ts';
import { LOST_RUNNER_MS } from './lost-runner.ts';
import { DOWN_MS, faultKinds, faultName, planRounds } from './faults.ts';
import { canHaveOwnEngine } from './own-engine.ts';
import { formatSummary, summarize } from './report.ts';
import type { RoundResult } from './round-result.ts';

const USAGE = `Usage: npm run chaos -- [options]
  --rounds N         rounds (default 10; without bound when --minutes is given)
  --minutes M        no new round after so long
  --seed S           repeats a run
  --from N           leaves out the rounds before
  --only A,B         only these components ("nats") or faults ("kill nats")
  --down-seconds S   how long a whole machine is down (default ${DOWN_MS / 1000})
  --recovery-max S   recovery after a single kill that takes longer is a failure (default 10)
  --keep             keep the state directory in any case
  --json             the result as JSON on standard output
Faults: ${faultKinds({ only: [], ownEngine: true, downMs: DOWN_MS }).map(faultName).join(', ')}.`;

const PACE_MS = 10_000;

interface Options {
  rounds: number;
  minutes: number;
  seed: string;
  from: number;
  only: string[];
  downMs: number;
  recoveryMaxMs: number;
  keep: boolean;
  json: boolean;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n`);
    return options === USAGE ? 0 : 2;
  }
  const ownEngine = canHaveOwnEngine();
  const kinds = faultKinds({ only: options.only, ownEngine, downMs: options.downMs });
  if (kinds.length === 0) {
    process.stderr.write(`There is no such fault.\n\n${USAGE}\n`);
    return 2;
  }
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  const directory = await mkdtemp('/tmp/wt-chaos-');
  say(`seed ${options.seed}, state in ${directory}${ownEngine ? '' : '; the engine is not our own and is not killed'}`);
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
  const startedAt = performance.now();
  const driver = await startDriver({ directory, ownEngine, paceMs: PACE_MS, note: (text) => say(`    ${text}`) });
  const results: RoundResult[] = [];
  for (const plan of planRounds(options.seed, kinds)) {
    if (plan.number < options.from) continue;
    const isLate = performance.now() - startedAt > options.minutes * 60_000;
    if (stopping.signal.aborted || results.length >= options.rounds || isLate) break;
    say(`round ${plan.number}, ${plan.phase}: ${plan.faults.map(faultName).join(' and ')}`);
    const result = await driver.run(plan, stopping.signal);
    if (stopping.signal.aborted) break;
    result.violations.push(...slowness(result, options.recoveryMaxMs));
    results.push(result);
    for (const { kind, what } of result.violations) say(`  ${kind}: ${what}`);
    const recovery = result.recovery ? `, recovered after ${(result.recovery.ms / 1000).toFixed(1)} s` : '';
    say(
      `  ${result.violations.length === 0 ? 'ok' : 'FAILED'} in ${(result.elapsedMs / 1000).toFixed(0)} s${recovery}`,
    );
    if (result.violations.length > 0) {
      say(`  again: npm run chaos -- --seed ${options.seed} --from ${plan.number} --rounds 1${onlyFlag(options.only)}`);
    }
  }
  const left = await driver.close(stopping.signal.aborted);
  for (const { kind, what } of left) say(`${kind}: ${what}`);
  const summary = summarize(options.seed, results, left);
  process.stdout.write(options.json ? `${JSON.stringify(summary, null, 2)}\n` : `\n${formatSummary(summary)}`);
  const failed = summary.failedRounds.length > 0 || left.length > 0;
  if (failed || options.keep) say(`Kept for a look: ${directory}`);
  else await rm(directory, { recursive: true, force: true });
  return failed ? 1 : 0;
}

function slowness({ recovery }: RoundResult, killMsMax: number): Violation[] {
  if (!recovery || recovery.fault.lastMs > 0) return [];
  const maxMs = { kill: killMsMax, lose: LOST_RUNNER_MS, pause: Infinity, cut: Infinity }[recovery.fault.action];
  if (recovery.ms <= maxMs) return [];
  const what = `recovery after ${faultName(recovery.fault)} took ${(recovery.ms / 1000).toFixed(1)} s`;
  return [{ kind: 'slow', what }];
}

function onlyFlag(only: readonly string[]): string {
  return only.length === 0 ? '' : ` --only '${only.join()}'`;
}

/** What cannot be understood is told as a text. */
function readOptions(args: string[]): Options | string {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const named = { rounds: text, minutes: text, seed: text, from: text, only: text, keep: flag, json: flag, help: flag };
  try {
    const { values } = parseArgs({ args, options: { ...named, 'down-seconds': text, 'recovery-max': text } });
    if (values.help) return USAGE;
    const minutes = number('minutes', values.minutes, Number.POSITIVE_INFINITY);
    return {
      rounds: number('rounds', values.rounds, values.minutes ? Number.POSITIVE_INFINITY : 10),
      minutes,
      seed: values.seed ?? String(Date.now() % 1_000_000),
      from: number('from', values.from, 1),
      only: values.only?.split(',') ?? [],
      downMs: number('down-seconds', values['down-seconds'], DOWN_MS / 1000) * 1000,
      recoveryMaxMs: number('recovery-max', values['recovery-max'], 10) * 1000,
      keep: values.keep === true,
      json: values.json === true,
    };
  } catch (error) {
    return `${(error as Error).message}\n\n${USAGE}`;
  }
}

function number(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value > 0)) throw new Error(`--${name} ${text} is not a number above 0.`);
  return value;
}

// What an interrupted round still waits for is waited for no longer.
process.exit(await main());
