import { expect, test } from 'vitest';
import type { ClusterPlan } from './cluster-plan.ts';
import { SERVICE_NAMES } from './process-names.ts';
import { natsSpec } from './process-specs.ts';
import { serviceEnvironment } from './service-environment.ts';
import { statePaths } from './state-directory.ts';

const plan: ClusterPlan = {
  state: statePaths('/state', undefined),
  socketRoot: '/state',
  repositoryRoots: ['/clone', '/other'],
  host: '127.0.0.1',
  ports: { gateway: 1, 'trace-store': 2, orchestrator: 3, 'sandbox-runner': 4, nats: 5, temporal: 6 },
  secrets: {
    clusterId: 'c1',
    temporalNamespace: 'c1',
    natsPassword: 'nats-secret',
    internalToken: 'internal-secret',
    operatorToken: 'operator-secret',
    secretsKeyFile: '/state/secrets/secrets-key',
  },
  temporalProgram: '/temporal',
  natsProgram: '/nats-server',
  supervisorProgram: '/supervisor',
  engine: { kind: 'found', socket: '/docker.sock', detail: '' },
  serviceEntries: { gateway: 'g', 'trace-store': 't', orchestrator: 'o', 'sandbox-runner': 's' },
  env: {
    PATH: '/bin',
    WORKTRAIL_HOME: '/state',
    WORKTRAIL_DOCKER_SOCKET: '/from-the-caller',
    WORKTRAIL_REPOSITORY_ROOTS: '/other',
    WORKTRAIL_DEFAULTS_CPUS: '1',
  },
  logLevel: 'info',
  configPath: '/state/worktrail.yaml',
  model: { url: null, default: null, models: {} },
};

test('every service is told its own port and the addresses all share', () => {
  const ports = SERVICE_NAMES.map((name) => serviceEnvironment(plan, name).WORKTRAIL_PORT);
  expect(ports).toEqual(['2', '3', '4', '1']);
  for (const name of SERVICE_NAMES) {
    expect(serviceEnvironment(plan, name)).toMatchObject({
      PATH: '/bin',
      WORKTRAIL_NATS_URL: 'nats://127.0.0.1:5',
      WORKTRAIL_TEMPORAL_ADDRESS: '127.0.0.1:6',
      WORKTRAIL_TEMPORAL_NAMESPACE: 'c1',
    });
  }
});

test('only the gateway knows the operator token, and only what seals or opens secrets where their key is', () => {
  const knows = (value: string) =>
    SERVICE_NAMES.filter((name) => Object.values(serviceEnvironment(plan, name)).includes(value));
  expect(knows('operator-secret')).toEqual(['gateway']);
  expect(knows('/state/secrets/secrets-key')).toEqual(['orchestrator', 'sandbox-runner', 'gateway']);
});

test('keys of models reach the services that call models, and no other process', () => {
  const keys = { WORKTRAIL_MODEL_KEY: 'k1', OPENAI_API_KEY: 'k2', ANTHROPIC_API_KEY: 'k3', GOOGLE_API_KEY: 'k4' };
  const withKeys = { ...plan, env: { ...plan.env, ...keys, GEMINI_API_KEY: 'k5' } };
  const knows = (value: string) =>
    SERVICE_NAMES.filter((name) => Object.values(serviceEnvironment(withKeys, name)).includes(value));
  for (const key of ['k1', 'k2', 'k3', 'k4', 'k5']) expect(knows(key)).toEqual(['orchestrator', 'sandbox-runner']);
  expect(serviceEnvironment(withKeys, 'orchestrator')).toMatchObject(keys);
  expect(natsSpec(withKeys).env).toEqual(plan.env);
});

test('the key of a collector of traces reaches the trace-store, and no other process', () => {
  const withKey = { ...plan, env: { ...plan.env, WORKTRAIL_OTLP_HEADERS: 'x-key=k' } };
  const knows = SERVICE_NAMES.filter((name) => serviceEnvironment(withKey, name).WORKTRAIL_OTLP_HEADERS !== undefined);
  expect(knows).toEqual(['trace-store']);
  expect(natsSpec(withKey).env).toEqual(plan.env);
});

test('what the caller set for Worktrail reaches services only through the plan', () => {
  expect(serviceEnvironment(plan, 'trace-store').WORKTRAIL_HOME).toBeUndefined();
  expect(serviceEnvironment(plan, 'sandbox-runner').WORKTRAIL_DOCKER_SOCKET).toBe('/docker.sock');
});

test("the operator's variables and the file in force reach every service, the roots together with the clone", () => {
  for (const name of SERVICE_NAMES) {
    const said = { WORKTRAIL_CONFIG: '/state/worktrail.yaml', WORKTRAIL_DEFAULTS_CPUS: '1' };
    expect(serviceEnvironment(plan, name)).toMatchObject(said);
  }
  expect(serviceEnvironment(plan, 'gateway').WORKTRAIL_REPOSITORY_ROOTS).toBe('/clone:/other');
});
