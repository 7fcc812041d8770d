import { randomUUID } from 'node:crypto';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { DoctorAnswer } from '@worktrail/contract/doctor';
import type { RunnerOrder, SessionDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import {
  artifactBucket,
  buckets,
  doctorSubject,
  proposalKey,
  sessionKey,
  trialKey,
} from '@worktrail/contract/subjects';
import {
  webhookChanged,
  webhookKey,
  type WebhookSpec,
  webhookStateKey,
  webhookWorkflowId,
} from '@worktrail/contract/webhooks';
import { openBucket } from '@worktrail/runtime/buckets';
import { createLogger } from '@worktrail/runtime/log';
import {
  chunkSubject,
  chunkSubjects,
  ensureObjectStore,
  infoSubject,
  infoSubjects,
  objectStream,
} from '@worktrail/runtime/object-store-layout';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { startProposal } from '../../test/proposal-client.ts';
import { sampleCommand, sampleSession, sampleWebhook } from '../../test/samples.ts';
import { startSession, until } from '../../test/session-client.ts';
import { sampleTrial, startTrial } from '../../test/trial-client.ts';
import { createReconciliation } from './reconciliation.ts';
import { reconcileSchedule } from './schedule.ts';

const graceMs = 900_000;
const dayMs = 24 * 3_600_000;
let servers: Servers;
let bed: OrchestratorBed;
let nats: NatsConnection;
let jsm: JetStreamManager;
let orders: KV;
let reconciliation: KV;
const { signal } = new AbortController();
let nowMs = Date.now();

beforeAll(async () => {
  servers = await startServers();
  nats = await connect({ servers: servers.nats.url });
  jsm = await jetstreamManager(nats);
  await ensureObjectStore(jsm, { replicas: 1, storeBytesMax: null });
  bed = await startOrchestratorBed(servers, 1_000);
  orders = await openBucket(nats, buckets.runnerOrders);
  reconciliation = await openBucket(nats, buckets.reconciliation);
});
afterAll(async () => {
  await nats.close();
  await bed.stop();
  await servers.stop();
});

/** As a process that has just started. */
async function examine(fix: boolean, mayFix: (owner: string | null) => boolean = () => true, sessions = bed.sessions) {
  const { trials, proposals, configuration, client } = bed;
  const parts = { jsm, sessions, trials, proposals, configuration, runnerOrders: orders, reconciliation, client };
  const log = createLogger({ service: 'test', level: 'silent' });
  return await createReconciliation({ ...parts, graceMs, clock: () => nowMs, signal, log }).examine({ fix, mayFix });
}

const named = (all: readonly { name: string; action: string; kind: string }[], name: string) =>
  all.filter((one) => one.name === name).map(({ action, kind }) => `${action} ${kind}`);

/** As a runner stores one: chunk, then name. */
async function store(name: string): Promise<void> {
  const nuid = randomUUID().replaceAll('-', '');
  const info = {
    name,
    bucket: artifactBucket,
    nuid,
    size: 1,
    chunks: 1,
    digest: 'SHA-256=',
    mtime: '',
    deleted: false,
  };
  await nats.request(chunkSubject(nuid), 'x', { timeout: 60_000 });
  await nats.request(infoSubject(name), JSON.stringify(info), { headers: headers(), timeout: 60_000 });
}

async function stored(): Promise<{ names: string[]; chunks: number }> {
  const subjects = async (filter: string) =>
    Object.keys((await jsm.streams.info(objectStream, { subjects_filter: filter })).state.subjects ?? {});
  const names = (await subjects(`${infoSubjects}.*`)).map((one) =>
    Buffer.from(one.slice(infoSubjects.length + 1), 'base64url').toString(),
  );
  return { names, chunks: (await subjects(`${chunkSubjects}.*`)).length };
}

test('sessions and trials that run, and attempts that have not begun, are no findings', async () => {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  await session.hibernate();
  const spec = sampleTrial([['hold'], ['exit 0']], { maxParallel: 1 });
  const trial = await startTrial(bed, spec);
  const pending = spec.attempts[1]!.session;
  const document = { version: 0, id: pending.sessionId, trialId: spec.trialId, state: 'creating', artifacts: [] };
  const key = sessionKey(pending.organizationId, pending.sessionId);
  await bed.sessions.put(key, JSON.stringify({ ...document, organizationId: pending.organizationId }));
  await until(trial.describe, ({ sessions }) => sessions[0]?.state === 'running');
  nowMs += 2 * graceMs;
  await until(
    () => examine(true),
    ({ findings }) => findings.length === 0,
  );
  nowMs += 2 * graceMs;
  expect(await examine(true)).toMatchObject({ findings: [], removed: [], failed: [], incomplete: [] });
  await trial.cancel();
});

test('a session and a trial whose workflows are gone are shown as failed after the grace, not before, a proposal as closed', async () => {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const trial = await startTrial(bed, sampleTrial([['hold']]));
  await until(trial.describe, ({ sessions }) => sessions[0]?.state === 'running');
  const proposal = await startProposal(bed, session, { requiredChecks: [] });
  await proposal.untilState('awaiting_approval');
  for (const { handle } of [session, trial, proposal]) await handle.terminate();
  const { sessionId, organizationId } = session.spec;
  const found = await until(
    () => examine(true),
    ({ findings }) => findings.length >= 3,
  );
  expect(named(found.findings, sessionId)).toEqual(['remove session']);
  nowMs += graceMs - 1;
  expect(named((await examine(true)).findings, sessionId)).toEqual(['remove session']);
  expect((await session.stored())?.state).toBe('ready');
  nowMs += 1;
  await examine(true, (owner) => owner === newId('organization'));
  expect((await session.stored())?.state).toBe('ready');
  const { removed } = await examine(true);
  expect(named(removed, sessionId)).toEqual(['remove session']);
  expect(named(removed, trial.spec.trialId)).toEqual(['remove trial']);
  expect(named(removed, proposal.spec.proposalId)).toEqual(['remove proposal']);
  const closed = (await bed.proposals.get(proposalKey(organizationId, proposal.spec.proposalId)))!;
  expect(closed.json()).toMatchObject({ state: 'closed', detail: 'its workflow is gone', artifacts: [] });
  const shown = (await bed.sessions.get(sessionKey(organizationId, sessionId)))!.json<SessionDocument>();
  expect(shown).toMatchObject({ state: 'failed', failure: { code: 'internal', detail: 'its workflow is gone' } });
  const ended = (await bed.trials.get(trialKey(trial.spec.organizationId, trial.spec.trialId)))!;
  expect(ended.json()).toMatchObject({ state: 'failed' });
});

test('a webhook whose workflow was terminated, or has no history any more, is begun again once, where it was', async () => {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const { organizationId, sessionId } = session.spec;
  const { id: webhookId, ...rest } = sampleWebhook(organizationId);
  await bed.configuration.put(webhookKey(organizationId, webhookId), JSON.stringify({ id: webhookId, ...rest }));
  const stateKey = webhookStateKey(organizationId, webhookId);
  const spec: WebhookSpec = { organizationId, webhookId, after: [] };
  await bed.configuration.put(stateKey, JSON.stringify(spec));
  const workflowId = webhookWorkflowId(webhookId);
  const kept = async () => (await bed.configuration.get(stateKey))!.json<WebhookSpec>();
  const isUnderWay = (state: WebhookSpec, eventId: string) =>
    state.pending!.some(({ place }) => place.eventId === eventId);
  const handle = bed.client.workflow.getHandle(workflowId);
  const runs = new Set<string>();
  const ids: string[] = [];

  // It never ran, was terminated, and is not known to Temporal any more: each time something happens meanwhile.
  for (const lose of [
    async () => undefined,
    () => handle.terminate('lost'),
    async () => {
      const { namespace } = bed.client.options;
      await bed.client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId } });
      await until(
        () =>
          handle.describe().then(
            () => 'there',
            (error: unknown) => (error instanceof WorkflowNotFoundError ? 'gone' : 'there'),
          ),
        (state) => state === 'gone',
      );
    },
  ]) {
    await lose();
    const { event, sequence } = (await bed.stored(sessionId))[ids.length]!;
    bed.matches.push({ organizationId, sessionId, event, sequence });
    ids.push(event.id);
    const found = await until(
      () => Promise.all([examine(true), examine(true)]),
      (both) => both.some(({ removed }) => named(removed, webhookId).length > 0),
    );
    const begun = found.flatMap(({ removed }) => named(removed, webhookId));
    expect(begun).toEqual(['remove webhook']);
    const state = await until(kept, (one) => one.pending !== undefined && isUnderWay(one, event.id));
    // What was under way before is so again, once.
    expect(state.pending!.map(({ place }) => place.eventId)).toEqual(ids);
    const { status, runId } = await handle.describe();
    expect(status.name).toBe('RUNNING');
    expect(runs.has(runId)).toBe(false);
    runs.add(runId);
  }
  expect(named((await examine(true)).findings, webhookId)).toEqual([]);
  await bed.configuration.delete(webhookKey(organizationId, webhookId));
  await handle.executeUpdate<true, []>(webhookChanged);
  await handle.result();
  expect((await bed.configuration.get(stateKey))?.operation).not.toBe('PUT');
});

test('a workflow without a document gets the one that it says itself', async () => {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  const { sessionId, organizationId } = session.spec;
  await until(session.stored, (document) => document?.state === 'ready' && document.checkpoint !== null);
  const key = sessionKey(organizationId, sessionId);
  await bed.sessions.purge(key);
  await until(
    () => examine(false),
    ({ findings }) => named(findings, sessionId).length === 1,
  );
  expect((await bed.sessions.get(key))?.operation).not.toBe('PUT');
  expect(named((await examine(true)).removed, sessionId)).toEqual(['remove workflow']);
  expect(await session.stored()).toMatchObject({ id: sessionId, state: 'ready' });
});

test('of the store only what nobody names and has been so for long goes, with its content', async () => {
  const { organizationId, sessionId } = sampleSession();
  const state = { version: 9, id: sessionId, organizationId, trialId: null, state: 'archived', generation: 2 };
  const [kept, old] = [`${organizationId}/${sessionId}/bundle-g1-1-a`, `${organizationId}/${sessionId}/archive-g1-a`];
  const unknown = `${organizationId}/${newId('session')}/bundle-g1-1-a`;
  const ancient = `${organizationId}/ses_00041061050r3gg28a1c60t3gf/bundle-g1-1-a`;
  const pin = `${organizationId}/upstream/0123/4567`;
  await bed.sessions.put(sessionKey(organizationId, sessionId), JSON.stringify({ ...state, artifacts: [kept] }));
  for (const name of [kept, old, unknown, ancient, pin]) await store(name);
  const before = await stored();
  expect(named((await examine(true)).findings, ancient)).toEqual(['report artifact']);
  nowMs += graceMs - 1;
  await examine(true);
  expect(await stored()).toEqual(before);
  nowMs += 1;
  const { removed, failed } = await examine(true);
  expect(failed).toEqual([]);
  const artifacts = removed.filter(({ kind }) => kind === 'artifact').map(({ name }) => name);
  expect(artifacts.toSorted()).toEqual([old, unknown].toSorted());
  const after = await stored();
  expect(after.names.toSorted()).toEqual(before.names.filter((one) => one !== old && one !== unknown).toSorted());
  expect(after.chunks).toBe(before.chunks - 2);
});

test('an artifact of a live session goes only when its workflow does not name it either', async () => {
  const session = await startSession(bed, sampleSession());
  await session.untilState('ready');
  await session.run(sampleCommand('exit 0'));
  const document = await until(session.stored, (one) => (one?.artifacts.length ?? 0) > 0);
  const { organizationId, sessionId } = session.spec;
  const stray = `${organizationId}/${sessionId}/bundle-g1-9-stray`;
  const needed = document!.artifacts[0]!;
  for (const name of [stray, needed]) await store(name);
  // The document lags behind.
  const shown = { ...(await session.stored()), artifacts: [] };
  await bed.sessions.put(sessionKey(organizationId, sessionId), JSON.stringify(shown));
  await examine(true);
  nowMs += graceMs;
  expect(named((await examine(true)).removed, stray)).toEqual(['remove artifact']);
  expect((await stored()).names).toContain(needed);
});

test('what a fork names stays, whatever becomes of the session that stored it, and goes when nobody names it', async () => {
  const { organizationId, sessionId: parentId } = sampleSession();
  const forkId = newId('session');
  const artifact = `${organizationId}/${parentId}/bundle-g1-1-forked`;
  await store(artifact);
  const put = async (id: string, artifacts: string[]) => {
    const document = { version: 1, id, organizationId, trialId: null, state: 'archived', generation: 1, artifacts };
    await bed.sessions.put(sessionKey(organizationId, id), JSON.stringify(document));
  };
  await put(parentId, []);
  await put(forkId, [artifact]);
  const pass = async () => {
    nowMs += graceMs;
    return (await examine(true)).removed.map(({ name }) => name);
  };
  expect(named((await examine(true)).findings, artifact)).toEqual([]);
  expect(await pass()).not.toContain(artifact);
  await put(forkId, []);
  expect(await pass()).not.toContain(artifact);
  // Found to be needed by nobody for so long; a fork that names it comes while the session that stored it is asked.
  nowMs += graceMs;
  const find = bed.sessions.get.bind(bed.sessions);
  const sessions = Object.assign(Object.create(bed.sessions) as KV, {
    get: async (...args: Parameters<KV['get']>) => {
      const found = await find(...args);
      if (args[0] === sessionKey(organizationId, parentId)) await put(forkId, [artifact]);
      return found;
    },
  });
  expect((await examine(true, () => true, sessions)).removed.map(({ name }) => name)).not.toContain(artifact);
  expect((await stored()).names).toContain(artifact);
  await put(forkId, []);
  expect((await examine(true)).removed.map(({ name }) => name)).toContain(artifact);
});

test('an order that asks for nothing, of a runner that has been away for a day, goes; one to drain is told of', async () => {
  const order = (runnerId: string, draining: boolean): RunnerOrder => ({ runnerId, draining, by: 'prn_a', at: 'now' });
  for (const one of [order('run-idle', false), order('run-draining', true)])
    await orders.put(one.runnerId, JSON.stringify(one));
  await examine(true);
  nowMs += dayMs;
  const found = await examine(true);
  expect(named(found.removed, 'run-idle')).toEqual(['remove order']);
  expect(named(found.findings, 'run-draining')).toEqual(['report order']);
  expect(await orders.get('run-idle').then((entry) => entry?.operation)).not.toBe('PUT');
  expect((await orders.get('run-draining'))?.json()).toMatchObject({ draining: true });
});

test('one schedule starts the reconciliation, and an orchestrator that starts again finds it there', async () => {
  const schedule = bed.client.schedule.getHandle(reconcileSchedule);
  await until(() => schedule.describe().catch(() => undefined), Boolean);
  await bed.stopOrchestrator();
  await bed.startOrchestrator();
  await schedule.trigger();
  const { info } = await until(
    () => schedule.describe(),
    ({ info: { recentActions } }) => recentActions.length > 0,
  );
  const { workflow } = info.recentActions.at(-1)!.action;
  await bed.client.workflow.getHandle(workflow.workflowId).result();
});

test('an orchestrator answers the doctor with what is nobody else’s', async () => {
  const own = newId('organization');
  const [mine, other] = [own, newId('organization')].map((one) => `${one}/${newId('session')}/bundle-g1-1-a`);
  for (const name of [mine, other]) await store(name!);
  const request = JSON.stringify({ organizationId: own, fix: true });
  const answer = (await nats.request(doctorSubject('orchestrator'), request, { timeout: 60_000 })).json<DoctorAnswer>();
  expect(answer).toMatchObject({ part: 'orchestrator', removed: [], failed: [], truncated: false });
  const names = answer.findings.map(({ name }) => name);
  expect(names).toContain(mine);
  expect(names).not.toContain(other);
  expect((await stored()).names).toContain(mine);
});
