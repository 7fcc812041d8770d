/** How each process of a cluster is run: program, arguments, environment, ready check and bounds. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClusterPlan, NATS_USER } from './cluster-plan.ts';
import { prepareDaemon } from './docker-daemon.ts';
import { engineVersion } from './docker-engine.ts';
import { natsConfig } from './nats-config.ts';
import type { ProcessName, ServiceName } from './process-names.ts';
import { isHttpReady, isNatsReady } from './readiness.ts';
import { serviceEnvironment, withoutModelKeys } from './service-environment.ts';
import type { ProcessSpec } from './supervised-process.ts';
import { temporalArguments } from './temporal-arguments.ts';
import { isTemporalReady } from './temporal-readiness.ts';

/** `dockerd` has a spec only where the engine is the cluster's own. */
export function engineSpec(plan: ClusterPlan): ProcessSpec | null {
  const { engine } = plan;
  if (engine.kind === 'found') return null;
  return {
    ...place(plan, 'dockerd'),
    program: engine.program,
    args: ['--config-file', engine.plan.configPath],
    isReady: async () => (await engineVersion(engine.socket, 2_000)) !== null,
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 4_000,
    prepare: () => prepareDaemon(engine.plan, plan.socketRoot),
  };
}

export function natsSpec(plan: ClusterPlan): ProcessSpec {
  const configPath = join(plan.state.run, 'nats.conf');
  const config = natsConfig({
    host: plan.host,
    port: plan.ports.nats,
    user: NATS_USER,
    password: plan.secrets.natsPassword,
    storeDirectory: plan.state.nats,
    serverName: `worktrail-${plan.secrets.clusterId}`,
  });
  return {
    ...place(plan, 'nats'),
    program: plan.natsProgram,
    args: ['--config', configPath],
    isReady: () => isNatsReady(plan.host, plan.ports.nats),
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 3_000,
    prepare: () => writeFile(configPath, config, { mode: 0o600 }),
  };
}

export function temporalSpec(plan: ClusterPlan): ProcessSpec {
  const { host } = plan;
  const port = plan.ports.temporal;
  const namespace = plan.secrets.temporalNamespace;
  return {
    ...place(plan, 'temporal'),
    program: plan.temporalProgram,
    args: temporalArguments({ host, port, namespace, databasePath: plan.state.temporalDatabase }),
    isReady: () => isTemporalReady(host, port, namespace),
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 3_000,
  };
}

/** The runner, told which image sandboxes start from. */
export function runnerSpec(plan: ClusterPlan, sandboxImage: string): ProcessSpec {
  const spec = serviceSpec(plan, 'sandbox-runner');
  return { ...spec, env: { ...spec.env, WORKTRAIL_SANDBOX_IMAGE: sandboxImage } };
}

export function serviceSpec(plan: ClusterPlan, name: ServiceName): ProcessSpec {
  return {
    ...place(plan, name),
    program: process.execPath,
    args: ['--enable-source-maps', plan.serviceEntries[name]],
    env: serviceEnvironment(plan, name),
    isReady: () => isHttpReady(plan.host, plan.ports[name]),
    readyTimeoutMs: 60_000,
    stopTimeoutMs: name === 'sandbox-runner' ? 4_000 : 3_000,
  };
}

function place(plan: ClusterPlan, name: ProcessName) {
  return { name, env: withoutModelKeys(plan.env), cwd: plan.state.root, logPath: join(plan.state.logs, `${name}.log`) };
}
