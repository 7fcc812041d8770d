/**
 * The environment of each service: what all have, and what is each one's own.
 *
 * A service gets the caller's environment too (PATH, proxies, locale), but of the caller's own WORKTRAIL_ variables only those that
 * say a value of worktrail.yaml: what else a service is told comes from the plan alone. Keys of models reach the two services that
 * call models, and no other process.
 */
import { delimiter } from 'node:path';
import { operatorVariableNames } from '@worktrail/runtime/operator-config';
import { type ClusterPlan, NATS_USER, serviceUrl } from './cluster-plan.ts';
import type { ServiceName } from './process-names.ts';

export function serviceEnvironment(plan: ClusterPlan, name: ServiceName): Record<string, string> {
  return { ...inherited(plan.env, callsModels.includes(name)), ...common(plan, name), ...own(plan, name) };
}

const callsModels: readonly ServiceName[] = ['orchestrator', 'sandbox-runner'];

/** Of the trace-store alone: it may hold a key of the collector. */
const collectorHeaders = 'WORKTRAIL_OTLP_HEADERS';

/** As people name them, whether a service of ours reads that one or not. */
const modelKeys = [
  'WORKTRAIL_MODEL_KEY',
  'OPENAI_API_KEY',
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'GOOGLE_API_KEY',
  'GOOGLE_GENERATIVE_AI_API_KEY',
  'GEMINI_API_KEY',
];

function inherited(env: NodeJS.ProcessEnv, withKeys: boolean): Record<string, string> {
  const isPassedOn = (name: string) =>
    modelKeys.includes(name) ? withKeys : !name.startsWith('WORKTRAIL_') || operatorVariableNames.includes(name);
  const entries = Object.entries(env).filter(([name, value]) => value !== undefined && isPassedOn(name));
  return Object.fromEntries(entries) as Record<string, string>;
}

/** For what is no service of ours: the caller's environment without the keys. */
export function withoutModelKeys(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isKey = (name: string) => name === collectorHeaders || modelKeys.includes(name);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isKey(name)));
}

type Common = Pick<ClusterPlan, 'secrets' | 'host' | 'ports' | 'logLevel'> & Partial<Pick<ClusterPlan, 'configPath'>>;

function common(plan: Common, name: ServiceName): Record<string, string> {
  return {
    WORKTRAIL_CLUSTER_ID: plan.secrets.clusterId,
    WORKTRAIL_NATS_URL: `nats://${plan.host}:${plan.ports.nats}`,
    WORKTRAIL_NATS_USER: NATS_USER,
    WORKTRAIL_NATS_PASSWORD: plan.secrets.natsPassword,
    WORKTRAIL_TEMPORAL_ADDRESS: `${plan.host}:${plan.ports.temporal}`,
    WORKTRAIL_TEMPORAL_NAMESPACE: plan.secrets.temporalNamespace,
    WORKTRAIL_INTERNAL_TOKEN: plan.secrets.internalToken,
    WORKTRAIL_LOG_LEVEL: plan.logLevel,
    WORKTRAIL_HOST: plan.host,
    WORKTRAIL_PORT: String(plan.ports[name]),
    ...(plan.configPath ? { WORKTRAIL_CONFIG: plan.configPath } : {}),
  };
}

function own(plan: ClusterPlan, name: ServiceName): Record<string, string> {
  const traceStore = { WORKTRAIL_TRACE_STORE_URL: serviceUrl(plan, 'trace-store') };
  const secretsKey = { WORKTRAIL_SECRETS_KEY_FILE: plan.secrets.secretsKeyFile };
  const repositories = {
    ...secretsKey,
    WORKTRAIL_REPOSITORY_ROOTS: plan.repositoryRoots.join(delimiter),
    WORKTRAIL_STATE_DIRECTORY: plan.state.root,
  };
  switch (name) {
    case 'trace-store':
      return {
        ...traceStoreOwn(plan),
        ...(plan.env[collectorHeaders] && { [collectorHeaders]: plan.env[collectorHeaders] }),
      };
    case 'orchestrator':
      return { ...traceStore, ...secretsKey, WORKTRAIL_WORKFLOW_BUNDLE: plan.state.bundles };
    case 'gateway':
      return { ...traceStore, ...repositories, WORKTRAIL_OPERATOR_TOKEN: plan.secrets.operatorToken };
    case 'sandbox-runner':
      return {
        ...traceStore,
        ...repositories,
        WORKTRAIL_RUNNER_DATA: plan.state.runner,
        WORKTRAIL_DOCKER_SOCKET: plan.engine.socket,
        WORKTRAIL_SUPERVISOR: plan.supervisorProgram,
      };
  }
}

/** For one that is started alone. */
export function traceStoreEnvironment(plan: Common & Pick<ClusterPlan, 'state'>): Record<string, string> {
  return { ...common(plan, 'trace-store'), ...traceStoreOwn(plan) };
}

function traceStoreOwn({ state }: Pick<ClusterPlan, 'state'>): Record<string, string> {
  return { WORKTRAIL_CLICKHOUSE_PATH: state.clickhouse };
}
