// The orchestrator: one Temporal worker with the workflows `session`, `trial`, `proposal`, `scan`, `webhook` and `reconcile` and the activities that need no sandbox, and the
// watch of the runners' leases.

import { randomUUID } from 'node:crypto';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { runnerAnnouncementTtlMs } from '@worktrail/contract/runner-announcements';
import { buckets } from '@worktrail/contract/subjects';
import { openBucket } from '@worktrail/runtime/buckets';
import { createAddressJudge, createOwnAddresses } from '@worktrail/runtime/addresses';
import { answerDoctor } from '@worktrail/runtime/doctor';
import { startHealthServer } from '@worktrail/runtime/health-server';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { createNameResolver } from '@worktrail/runtime/name-resolver';
import { connectNats } from '@worktrail/runtime/nats';
import { answerHealth } from '@worktrail/runtime/part-health';
import { createReadiness } from '@worktrail/runtime/readiness';
import { openSecretBox } from '@worktrail/runtime/secret-box';
import {
  connectTemporalClient,
  connectTemporalNative,
  installTemporalRuntime,
  runWorker,
} from '@worktrail/runtime/temporal';
import { createTraceClient } from '@worktrail/runtime/trace-client';
import { createAgentActivities } from './agent/agent-work.ts';
import { createAppendedDrafts } from './agent/appended-drafts.ts';
import { createModels } from './agent/models.ts';
import type { OrchestratorConfig } from './config.ts';
import { startLostHostWatch } from './lost-hosts.ts';
import { createOrchestratorWorker } from './orchestrator-worker.ts';
import { createRecordActivities } from './record-activities.ts';
import { measureActivities } from './record-metrics.ts';
import { createReconcileActivities } from './reconcile/activities.ts';
import { createReconciliation } from './reconcile/reconciliation.ts';
import { keepReconcileSchedule } from './reconcile/schedule.ts';
import { sightingBounds } from './runner-sightings.ts';
import { createScanRecordActivities } from './scan/activities.ts';
import { createSuggestActivities } from './scan/model-suggestions.ts';
import { createWebhookActivities } from './webhooks/activities.ts';
import { ensureDeliveryStream } from './webhooks/delivery-log.ts';
import { loadWorkflowBundle } from './workflow-bundle.ts';

/** Resolves once the worker polls and the health server listens. */
export async function startOrchestrator(
  config: OrchestratorConfig,
  lifetime: Lifetime,
  log: Logger,
): Promise<{ port: number }> {
  installTemporalRuntime(log);
  const metrics = createMetrics('orchestrator');
  const bundled = loadWorkflowBundle(config.workflowBundleDirectory);
  const box = await openSecretBox(config.secretsKey);

  const nats = await connectNats(config.nats, 'orchestrator', lifetime, log);
  const jsm = await jetstreamManager(nats);
  const sessions = await openBucket(nats, buckets.sessions);
  const trials = await openBucket(nats, buckets.trials);
  const proposals = await openBucket(nats, buckets.proposals);
  const configuration = await openBucket(nats, buckets.configuration);
  const runners = await openBucket(nats, buckets.runners, { ttlMs: runnerAnnouncementTtlMs });
  const trace = createTraceClient(config.traceStoreUrl, config.internalToken);
  await ensureDeliveryStream(jsm);

  const client = await connectTemporalClient(config.temporal, lifetime);
  const reconciliation = createReconciliation({
    ...{ jsm, sessions, trials, proposals, configuration, client, log },
    runnerOrders: await openBucket(nats, buckets.runnerOrders),
    reconciliation: await openBucket(nats, buckets.reconciliation),
    graceMs: config.reconcileGraceMs,
    clock: Date.now,
    signal: lifetime.signal,
  });
  const connection = await connectTemporalNative(config.temporal, lifetime, log);
  const producer = { js: jetstream(nats), jsm, trace, log };
  const appended = createAppendedDrafts(producer);
  const models = createModels(config.models);
  const worker = await createOrchestratorWorker({
    connection,
    namespace: config.temporal.namespace,
    bundle: await bundled,
    activities: {
      ...measureActivities(
        createRecordActivities({ producer, appended, sessions, trials, proposals, configuration }),
        metrics,
      ),
      ...createReconcileActivities(reconciliation),
      ...createScanRecordActivities({ configuration, trace }),
      ...createAgentActivities({ producer, appended, trace, metrics, models }),
      ...createSuggestActivities({ models, configuration }),
      ...createWebhookActivities({
        ...{ configuration, trace, box, js: producer.js, clock: Date.now },
        judge: createAddressJudge(createOwnAddresses(Date.now), config.webhookPrivateAllowed),
        resolve: createNameResolver(),
      }),
    },
    cachedWorkflowsMax: config.cachedWorkflowsMax,
  });
  runWorker(worker, 'orchestrator', lifetime, log);
  startLostHostWatch({ nats, sessions, runners, client, bounds: sightingBounds, log }, lifetime);
  answerHealth(nats, 'orchestrator', () => worker.getState() === 'RUNNING', lifetime);

  const doctor = { part: 'orchestrator', id: `orchestrator-${randomUUID()}`, oneOfAll: true } as const;
  answerDoctor(nats, { ...doctor, examine: reconciliation.examine, log }, lifetime);
  keepReconcileSchedule(client, lifetime, log);

  const readiness = createReadiness();
  readiness.add('nats', () => nats.flush());
  readiness.add('kv', () => sessions.status());
  readiness.add('temporal', () => connection.workflowService.getSystemInfo({}));
  readiness.add('worker', async () => {
    if (worker.getState() !== 'RUNNING') throw new Error(`the worker is ${worker.getState()}`);
  });
  return await startHealthServer({ host: config.host, port: config.port, readiness, metrics }, lifetime);
}
