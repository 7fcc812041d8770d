// The scan workflow, one of a project at a time: it has the default branch looked through, the required checks run on that very commit, a model
// asked where there is one, and stores what was found.
//
// 1. Each part that cannot be done is noted, and what it looks for is left as it was; only a repository that cannot be read fails the scan.
// 2. What is stored is the last step, so that a scan that dies has changed nothing, and one that is repeated comes to the same.

import { CancellationScope, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import * as messages from '@worktrail/contract/scan-messages';
import type { Finding, SuggestionKind } from '@worktrail/contract/suggestions';
import {
  type CommandReported,
  commandReported,
  type SessionReported,
  sessionReported,
} from '@worktrail/contract/trial-messages';
import { failureMessage, wasNotTakenUp } from '../activity-failure.ts';
import { recordOptions } from '../record-options.ts';
import { now } from '../workflow-clock.ts';
import type { ScanRecordActivities } from './activities.ts';
import { runChecks } from './checks.ts';
import type { SuggestActivities, ToldSuggestion } from './model-suggestions.ts';
import { newScanState, noted, scanChanged, type ScanState } from './state.ts';

const reported = defineSignal<[CommandReported]>(commandReported);
const sessionTold = defineSignal<[SessionReported]>(sessionReported);

const records = proxyActivities<ScanRecordActivities>(recordOptions);

const { scanRepository, locateEvidence } = proxyActivities<messages.ScanActivities>({
  taskQueue: messages.scanTaskQueue,
  startToCloseTimeout: '30 minutes',
  // Each runner does a few at once.
  scheduleToStartTimeout: '1 hour',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumAttempts: 4 },
});

const { askForSuggestions } = proxyActivities<SuggestActivities>({
  startToCloseTimeout: '5 minutes',
  scheduleToStartTimeout: '1 minute',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumAttempts: 3 },
});

const ofFiles: readonly SuggestionKind[] = ['todo', 'large_function', 'missing_test', 'outdated_docs'];
const detailLengthMax = 1_000;

export async function scan(spec: messages.ScanSpec): Promise<void> {
  await CancellationScope.nonCancellable(() => live(spec));
}

async function live(spec: messages.ScanSpec): Promise<void> {
  const state = newScanState(spec, now());
  setHandler(reported, ({ commandId, result }) => void (state.results[commandId] = result));
  setHandler(sessionTold, ({ state: is, failure }) => {
    if (is !== 'ready') state.checksGone = failure?.detail ?? `the session is ${is}`;
  });
  try {
    await look(spec, state);
    scanChanged(state, { state: 'completed', step: null, endedAt: now() });
  } catch (error) {
    const detail = wasNotTakenUp(error) ? 'no runner has taken it up' : failureMessage(error);
    scanChanged(state, { state: 'failed', step: null, detail: detail.slice(0, detailLengthMax), endedAt: now() });
  }
  await records.recordScan(state.document);
}

async function look(spec: messages.ScanSpec, state: ScanState): Promise<void> {
  const { organizationId, projectId, repository } = spec;
  const of = { organizationId, projectId };
  await records.recordScan(state.document);
  const known = await records.readKnownFindings(of);
  const read = await scanRepository({ ...of, repository, known });
  const { commit } = read;
  const findings: Finding[] = [...read.findings];
  const kinds: SuggestionKind[] = read.complete ? [...ofFiles] : [];
  if (!read.complete) noted(state, 'some files could not be looked at');
  for (const [kind, count] of Object.entries(read.left)) noted(state, `${count} more of ${kind} are not shown yet`);

  scanChanged(state, { step: 'checking', commit });
  await records.recordScan(state.document);
  const checked = await runChecks(spec, state, commit);
  for (const { finding, claims } of checked.failing) {
    const located = claims.length === 0 ? [] : await namedBy(state, { ...of, repository, commit, claims });
    const isDecided = known.some(
      (one) => one.fingerprint === finding.fingerprint && ['accepted', 'dismissed'].includes(one.state),
    );
    const evidence = located.filter((one) => one !== null).map((one) => one.evidence);
    if (!isDecided) findings.push({ ...finding, evidence });
  }
  if (checked.complete) kinds.push('failing_check');

  if (spec.model !== null) {
    scanChanged(state, { step: 'asking' });
    await records.recordScan(state.document);
    findings.push(...(await askModel(spec, state, read, known)));
  }
  // A model is asked for what is new: what it said before is there as long as its file is.
  kinds.push('model');

  scanChanged(state, { step: 'storing' });
  const seen = [...read.seen, ...checked.failing.map(({ finding }) => finding.fingerprint)];
  const stored = await records.storeFindings({ of, at: now(), commit, findings, seen, kinds });
  const { added, updated, resolved, notKept } = stored;
  if (notKept > 0) noted(state, `${notKept} were not kept: the project has its maximum of suggestions`);
  scanChanged(state, { added, updated, resolved, kinds });
}

/** Of what a check has printed: without them it still fails. */
async function namedBy(state: ScanState, input: messages.LocateInput): Promise<messages.Located> {
  try {
    return await locateEvidence(input);
  } catch (error) {
    noted(state, `the lines that a check names could not be looked at: ${failureMessage(error)}`);
    return [];
  }
}

const askedMax = 10;

async function askModel(
  { organizationId, projectId, repository, model }: messages.ScanSpec,
  state: ScanState,
  { commit, digest, findings }: messages.ScanRepositoryResult,
  known: readonly messages.KnownFinding[],
): Promise<Finding[]> {
  try {
    const said = known.filter(({ kind }) => kind === 'model').map(({ title }) => title);
    const found = findings.slice(0, askedMax).map(({ title }) => title);
    const scan = { organizationId, projectId, startedAt: state.document.startedAt };
    const told = await askForSuggestions({ scan, model: model!, digest, found, said, countMax: askedMax });
    if (told.length === 0) return [];
    const claims = told.map(({ path, firstLine, lastLine }) => ({ path, firstLine, lastLine }));
    const located = await locateEvidence({ organizationId, projectId, repository, commit, claims });
    const unfounded = located.filter((one) => one === null).length;
    if (unfounded > 0) noted(state, `${unfounded} of ${told.length} suggestions of the model named what is not there`);
    return told.flatMap((one, index) => asFinding(one, located[index] ?? null, known));
  } catch (error) {
    noted(state, `the model could not be asked: ${failureMessage(error)}`);
    return [];
  }
}

function asFinding(
  { title, description }: ToldSuggestion,
  located: messages.Located[number],
  known: readonly messages.KnownFinding[],
): Finding[] {
  if (!located) return [];
  const { fingerprint, evidence } = located;
  const isKnown = known.some(
    (one) =>
      one.state !== 'resolved' &&
      (one.fingerprint === fingerprint || (one.title === title && one.path === evidence.path)),
  );
  if (isKnown) return [];
  return [{ kind: 'model', fingerprint, title, description, score: 0.6, evidence: [evidence], output: null }];
}
