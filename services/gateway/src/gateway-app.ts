// The Hono application: every route of the API over the parts it needs. No I/O until a request comes.

import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Logger } from '@worktrail/runtime/log';
import type { Metrics } from '@worktrail/runtime/metrics';
import type { OperatorConfig, OperatorSettings } from '@worktrail/runtime/operator-config';
import type { Readiness } from '@worktrail/runtime/readiness';
import type { SecretBox } from '@worktrail/runtime/secret-box';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { addAccessRoutes } from './access/access-routes.ts';
import { addAuditRoutes } from './access/audit-routes.ts';
import { createGate } from './access/gate.ts';
import { addAnalyticsRoutes } from './analytics/analytics-routes.ts';
import { createAudit } from './audit.ts';
import { addClickHouseRoutes } from './clickhouse/clickhouse-routes.ts';
import { addCheckpointRoutes } from './checkpoints/checkpoint-routes.ts';
import { addRevertRoutes } from './checkpoints/revert-routes.ts';
import { createCommandReader } from './commands/command-reader.ts';
import { addCommandRoutes } from './commands/command-routes.ts';
import { addControlRoutes } from './commands/control-routes.ts';
import { addOutputRoutes } from './commands/output-routes.ts';
import { createRunnerControl } from './commands/runner-control.ts';
import { createConfigurationStore } from './configuration-store.ts';
import { addEventRoutes } from './events/event-routes.ts';
import { addExportRoutes } from './export/export-routes.ts';
import { addProjectExportRoutes } from './export/project-export-routes.ts';
import { createDoctors } from './doctor/ask-doctors.ts';
import { addDoctorRoutes } from './doctor/doctor-routes.ts';
import { addContextRoutes } from './context/context-routes.ts';
import { addGitRoutes } from './git/git-routes.ts';
import { createHistory } from './events/history.ts';
import { createLiveSubscriber } from './events/live-subscription.ts';
import { createStreamPosition } from './events/stream-position.ts';
import { addDiffRoutes } from './files/diff-routes.ts';
import { addFileChangeRoutes } from './files/file-change-routes.ts';
import { addFileRoutes } from './files/file-routes.ts';
import { createSessionFiles } from './files/session-files.ts';
import { createFollowers } from './followers.ts';
import { addForkRoutes } from './forks/fork-routes.ts';
import type { GatewayBuckets } from './gateway-buckets.ts';
import { createApi } from './http/api.ts';
import type { HttpMetrics } from './http/http-metrics.ts';
import { addDescriptionRoutes, addHealthRoutes } from './http/open-routes.ts';
import { createIdempotency } from './idempotency.ts';
import { addImportRoutes } from './import/import-routes.ts';
import { addLimitRoutes } from './limits/limit-routes.ts';
import { addOperatorConfigRoutes } from './operator-config-routes.ts';
import { createProjectReader } from './projects/project-reader.ts';
import { addCredentialRoutes } from './projects/credential-routes.ts';
import { addProjectRoutes } from './projects/project-routes.ts';
import type { RepositoryRoots } from '@worktrail/runtime/repository-address';
import { createProposalReader } from './proposals/proposal-reader.ts';
import { addProposalRoutes } from './proposals/proposal-routes.ts';
import { addSecretRoutes } from './projects/secret-routes.ts';
import { addSearchRoutes } from './search/search-routes.ts';
import { addQueryRoutes } from './query/query-routes.ts';
import { addRetentionRoutes } from './retention/retention-routes.ts';
import { createRunnerOrders } from './runners/runner-orders.ts';
import { addRunnerRoutes } from './runners/runner-routes.ts';
import type { RunnerRequests } from './runners/runner-requests.ts';
import type { RunnerView } from './runners/runner-view.ts';
import { createSessionCensus } from './sessions/session-census.ts';
import { createSessionReader } from './sessions/session-reader.ts';
import { createSessionQuota } from './sessions/session-quota.ts';
import { addSessionRoutes } from './sessions/session-routes.ts';
import { createSessionView } from './sessions/session-view.ts';
import { addSleepRoutes } from './sessions/sleep-routes.ts';
import { addUpdateRoutes } from './sessions/update-routes.ts';
import { createScanReader } from './suggestions/scan-reader.ts';
import { addSuggestionRoutes } from './suggestions/suggestion-routes.ts';
import { createTaskReader } from './tasks/task-reader.ts';
import { addTaskRoutes } from './tasks/task-routes.ts';
import { createTrialReader } from './trials/trial-reader.ts';
import { addComparisonRoutes } from './trials/comparison-routes.ts';
import { addTrialRoutes } from './trials/trial-routes.ts';
import { addPermissionRoutes } from './turns/permission-routes.ts';
import { addModelRoutes } from './turns/model-routes.ts';
import { addChatRoutes } from './turns/chat-routes.ts';
import { addTurnRoutes } from './turns/turn-routes.ts';
import { createDeliveryLog } from './webhooks/delivery-log.ts';
import { addWebhookRoutes } from './webhooks/webhook-routes.ts';
import type { WorkflowClient } from './workflow-client.ts';

export interface GatewayAppDeps {
  settings: {
    operator: OperatorConfig;
    origins: OperatorSettings['origins'];
    partitions: number;
    operatorToken: string;
    roots: RepositoryRoots;
  };
  parts: GatewayBuckets & {
    nats: NatsConnection;
    js: JetStreamClient;
    jsm: JetStreamManager;
    workflows: WorkflowClient;
    trace: TraceClient;
    runners: RunnerView;
    runnerRequests: RunnerRequests;
    box: SecretBox;
  };
  health: { readiness: Readiness; metrics: Metrics };
  httpMetrics: HttpMetrics;
  /** Aborted when the gateway stops: waits and streams end. */
  stopping: AbortSignal;
  log: Logger;
}

export function createGatewayApp({ settings, parts, health, httpMetrics, stopping, log }: GatewayAppDeps): OpenAPIHono {
  const { operator, origins, operatorToken, roots } = settings;
  const { nats, workflows, trace, runners, runnerRequests, box } = parts;
  const metrics = httpMetrics;

  const store = createConfigurationStore(parts.configuration);
  const audit = createAudit(parts.js);
  const sessions = createSessionReader(parts.sessions, workflows);
  const census = createSessionCensus(parts.sessions, Date.now);
  const quota = createSessionQuota(census, operator.quotas);
  const trials = createTrialReader(parts.trials, workflows);
  const projects = createProjectReader(store, settings);
  const proposals = createProposalReader(parts.proposals, store, workflows);
  const tasks = createTaskReader(store);
  const commands = createCommandReader(trace, workflows);
  const control = createRunnerControl(nats);
  const live = createLiveSubscriber(nats);
  const position = createStreamPosition(nats, parts.jsm, live);
  const view = createSessionView(position, census);
  const history = createHistory(trace);
  const followers = createFollowers(operator.quotas, metrics);

  const gate = createGate(store, operatorToken);
  const api = createApi({ gate, idempotency: createIdempotency(parts.idempotency, box), metrics, log });
  addHealthRoutes(api.app, health);
  addAccessRoutes(api, { store, audit });
  addAuditRoutes(api, { trace });
  addProjectRoutes(api, { store, projects, sessions, proposals, trace, audit, operator, roots });
  addSecretRoutes(api, { store, projects, audit, box });
  addCredentialRoutes(api, { store, projects, audit, box });
  addTaskRoutes(api, { store, projects, tasks, audit });
  addTrialRoutes(api, {
    ...{ store, projects, tasks, trials, sessions, quota, runners, workflows, operator, followers, stopping },
  });
  const files = createSessionFiles({ sessions, workflows, history });
  addComparisonRoutes(api, { store, tasks, trials, sessions, proposals, files, trace });
  addSessionRoutes(api, {
    ...{ sessions, view, quota, projects, tasks, trials, runners, workflows },
    ...{ live, position, history, trace, followers, stopping },
  });
  addUpdateRoutes(api, { sessions, view, runners, workflows });
  addForkRoutes(api, {
    ...{ sessions, view, quota, projects, workflows },
    ...{ live, position, history, followers, stopping },
  });
  addSleepRoutes(api, { sessions, view, runners, workflows, live, followers, stopping });
  const checkpoints = { sessions, runners, workflows, history, live, position, followers, stopping };
  addCheckpointRoutes(api, checkpoints);
  addRevertRoutes(api, { ...checkpoints, files });
  addDiffRoutes(api, { sessions, files, requests: runnerRequests });
  addFileRoutes(api, { sessions, files, requests: runnerRequests });
  addFileChangeRoutes(api, { sessions, runners, workflows, requests: runnerRequests, followers, stopping });
  addProposalRoutes(api, { store, projects, sessions, proposals, runners, workflows, audit });
  addCommandRoutes(api, {
    ...{ sessions, commands, workflows, runners },
    ...{ live, position, operator, followers, stopping },
  });
  addTurnRoutes(api, { sessions, runners, workflows, trace, control, operator });
  addPermissionRoutes(api, { sessions, workflows });
  addModelRoutes(api, { operator });
  addChatRoutes(api, {
    ...{ sessions, view, quota, projects, runners, workflows, operator },
    ...{ live, position, followers, stopping },
  });
  addSuggestionRoutes(api, {
    ...{ store, projects, sessions, quota, runners, workflows, operator },
    ...{ scans: createScanReader(parts.configuration), view, followers, audit, stopping },
  });
  addOutputRoutes(api, { sessions, commands });
  addControlRoutes(api, { sessions, commands, workflows, control, live, operator });
  addEventRoutes(api, { sessions, history, live, position, followers, stopping, log });
  addExportRoutes(api, { sessions, history, position, followers, stopping, log });
  addProjectExportRoutes(api, { projects, trace });
  addGitRoutes(api, { projects, census, runners, runnerRequests: parts.runnerRequests });
  addContextRoutes(api, { projects, sessions, census, runners, requests: runnerRequests });
  addRunnerRoutes(api, { runners, orders: createRunnerOrders(parts.runnerOrders), census, audit });
  addDoctorRoutes(api, { doctors: createDoctors(parts.nats), runners, audit });
  addLimitRoutes(api, { census, projects, followers, operator });
  addOperatorConfigRoutes(api, { operator, origins });
  addAnalyticsRoutes(api, { projects, trace });
  addSearchRoutes(api, { projects, trace });
  addQueryRoutes(api, { trace });
  addRetentionRoutes(api, { store, trace, audit, operator });
  addClickHouseRoutes(api, { gate, trace, metrics, log });
  const deliveries = createDeliveryLog(parts.jsm);
  addWebhookRoutes(api, { store, projects, log: deliveries, trace, workflows, audit, box, operator });
  const producer = { js: parts.js, jsm: parts.jsm, trace, log };
  addImportRoutes(api, { store, projects, producer, trace, audit, ...settings, sessions: parts.sessions });
  addDescriptionRoutes(api.app);
  return api.app;
}
