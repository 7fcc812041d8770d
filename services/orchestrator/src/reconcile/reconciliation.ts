// The reconciliation of everything that belongs to no host, by whichever orchestrator is asked: the schedule, or the doctor.
//
// 1. Since when something is found so is stored before anything is changed, and shared by all orchestrators.
// 2. At most `confirmedMax` suspicious documents, and as many webhooks, are asked for and `changesMax` things set right at a time. The next examination goes on
//    behind them; what was not looked at keeps its time, and changes nothing.

import type { KV } from '@nats-io/kv';
import { readDocument } from '@worktrail/runtime/buckets';
import type { Examination, Scope } from '@worktrail/runtime/doctor';
import { type DatedFinding, dateFindings, type FirstSeen } from '@worktrail/runtime/first-seen';
import type { Logger } from '@worktrail/runtime/log';
import { type Found, judge, suspects } from './judge.ts';
import { isGone, look, type LookDeps } from './look.ts';
import { setRight, unneededArtifacts } from './set-right.ts';

const confirmedMax = 200;
const lookEveryMs = 600_000;
const changesMax = 500;
/** So many fit into one document. */
const judgedMax = 3_000;
const stateKey = 'orchestrator';

interface State {
  seen: FirstSeen;
  /** Documents up to this id were asked for last. */
  askedUpTo: string;
}

export interface ReconciliationDeps extends LookDeps {
  reconciliation: KV;
  graceMs: number;
  clock: () => number;
  /** Aborted: what is under way is finished, and nothing else begun. */
  signal: AbortSignal;
  log: Logger;
}

export interface Reconciliation {
  examine(options: { fix: boolean; mayFix: Scope }): Promise<Examination>;
}

export function createReconciliation(deps: ReconciliationDeps): Reconciliation {
  const { reconciliation, clock, log } = deps;
  let last: Promise<unknown> = Promise.resolve();

  async function examine(fix: boolean, mayFix: Scope): Promise<Examination> {
    const checkedAtMs = clock();
    const before = (await readDocument<State>(reconciliation, stateKey))?.value ?? { seen: {}, askedUpTo: '' };
    const found = await look(deps);
    const { gone, askedUpTo, isWhole } = await confirm(deps, found, before.askedUpTo);
    const judged = judge(found, gone);
    const incomplete: string[] = [];
    if (!isWhole) incomplete.push('more documents than can be asked for at once seem to have no workflow');
    if (judged.length > judgedMax) incomplete.push(`there are ${judged.length} findings`);
    const unseen = isWhole ? [] : ['session', 'trial', 'proposal'];
    const dating = { graceMs: deps.graceMs, nowMs: checkedAtMs, unseen };
    const { findings, seen } = dateFindings(judged.slice(0, judgedMax), before.seen, dating);
    await reconciliation.put(stateKey, JSON.stringify({ seen, askedUpTo } satisfies State));

    const removed: DatedFinding[] = [];
    const failed: Examination['failed'][number][] = [];
    const fail = (finding: DatedFinding, error: Error) => {
      failed.push({ finding, reason: error.message });
      log.warn({ err: error, ...finding }, 'what has no counterpart could not be set right');
    };
    const isToFix = ({ isDue, organizationId }: DatedFinding) => isDue && mayFix(organizationId);
    const due = fix ? findings.filter(isToFix).slice(0, changesMax) : [];
    const artifacts = due.filter(({ kind }) => kind === 'artifact');
    const unneeded = await unneededArtifacts(deps, artifacts, fail);
    for (const finding of due) {
      if (deps.signal.aborted) break;
      if (finding.kind === 'artifact' && !unneeded.has(finding.name)) continue;
      try {
        if (!(await setRight(deps, finding))) continue;
        removed.push(finding);
        log.info({ ...finding }, 'set right what had no counterpart');
      } catch (error) {
        fail(finding, error as Error);
      }
    }
    return { findings: findings.filter((one) => !removed.includes(one)), removed, failed, incomplete, checkedAtMs };
  }

  return {
    examine({ fix, mayFix }) {
      const turn = last.then(() => examine(fix, mayFix));
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

/** Asks for the workflows of suspicious documents, where there are too many behind those that were asked for last. */
async function confirm(
  { client, clock }: ReconciliationDeps,
  found: Found,
  askedUpTo: string,
): Promise<{ gone: Set<string>; askedUpTo: string; isWhole: boolean }> {
  const { sessions, trials, proposals, webhooks } = suspects(found);
  const all = [
    ...sessions.map(({ id }) => ({ kind: 'session' as const, id })),
    ...trials.map(({ id }) => ({ kind: 'trial' as const, id })),
    ...proposals.map(({ id }) => ({ kind: 'proposal' as const, id })),
  ].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const isWhole = all.length <= confirmedMax;
  const later = isWhole ? all : all.filter(({ id }) => id > askedUpTo);
  const asked = (later.length > 0 ? later : all).slice(0, confirmedMax);
  const gone = new Set<string>();
  // Each that is gone is begun again, so that the next look has others. Those that run as far as lists tell are asked in turn: a list may be
  // wrong about one for ever, whose history was taken away soon after it began.
  const others = found.webhooks.filter(({ id }) => found.running.has(id));
  const first = (Math.floor(clock() / lookEveryMs) * confirmedMax) % Math.max(others.length, 1);
  const webhooksAsked = [...webhooks, ...others.slice(first), ...others.slice(0, first)].slice(0, confirmedMax);
  for (const { id } of webhooksAsked) if (await isGone(client, 'webhook', id)) gone.add(id);
  for (const { kind, id } of asked) if (await isGone(client, kind, id)) gone.add(id);
  return { gone, askedUpTo: isWhole ? '' : (asked.at(-1)?.id ?? ''), isWhole };
}
