/** Everything that is settled before the first process starts: paths, ports, secrets, tools, engine. */
import { delimiter, join, resolve } from 'node:path';
import { type OperatorConfig, readOperatorSettings } from '@worktrail/runtime/operator-config';
import { abortable } from './abortable.ts';
import { chooseEngine, type EngineChoice } from './engine-setup.ts';
import type { Ports } from './ports.ts';
import type { ServiceName } from './process-names.ts';
import { type Report, step } from './progress.ts';
import { isFile } from './resolve-tool.ts';
import { type ClusterSecrets, openSecrets } from './secrets.ts';
import { openSocketRoot, type StatePaths } from './state-directory.ts';
import type { ToolName } from './tool-pins.ts';
import { resolveSupervisor, resolveTool } from './tools.ts';

export interface ClusterPlan {
  state: StatePaths;
  /** The state directory by a name short enough for Unix sockets. */
  socketRoot: string;
  repositoryRoots: string[];
  host: string;
  ports: Ports;
  secrets: ClusterSecrets;
  temporalProgram: string;
  natsProgram: string;
  supervisorProgram: string;
  engine: EngineChoice;
  /** The entry file of each service. */
  serviceEntries: Record<ServiceName, string>;
  env: NodeJS.ProcessEnv;
  logLevel: string;
  /** The worktrail.yaml in force, if there is one. */
  configPath: string | null;
  /** What the operator has said of models. */
  model: OperatorConfig['model'];
}

export interface PlanInput {
  state: StatePaths;
  host: string;
  ports: Ports;
  env: NodeJS.ProcessEnv;
  /** Undefined: those of the operator's configuration. */
  repositoryRoots: string[] | undefined;
  serviceEntries: Partial<Record<ServiceName, string>> | undefined;
  report: Report;
  /** Ends the downloads, and the wait for the engine. */
  signal: AbortSignal | undefined;
}

export const REPOSITORY_DIRECTORY = resolve(import.meta.dirname, '../../..');
export const NATS_USER = 'worktrail';

export async function planCluster(input: PlanInput): Promise<ClusterPlan> {
  const { state, env, report, signal } = input;
  const { configPath, operator } = await step(report, 'Read the configuration', () => readConfiguration(input));
  const socketRoot = await openSocketRoot(state.root, env);
  const [temporal, nats, supervisor, engine] = await Promise.all([
    fetchTool('temporal', input),
    fetchTool('nats-server', input),
    step(report, 'Build the sandbox supervisor', () => resolveSupervisor(REPOSITORY_DIRECTORY, state.tools, env)),
    step(report, 'Find Docker', async () => {
      const choice = await abortable(chooseEngine(state.root, socketRoot, env, report), signal);
      return { choice, detail: choice.kind === 'found' ? choice.detail : 'an engine of its own' };
    }),
  ]);
  return {
    state,
    socketRoot,
    repositoryRoots: [REPOSITORY_DIRECTORY, ...(input.repositoryRoots ?? operator.values.repositoryRoots)],
    host: input.host,
    ports: input.ports,
    secrets: await openSecrets(state.secrets),
    temporalProgram: temporal.path,
    natsProgram: nats.path,
    supervisorProgram: supervisor.path,
    engine: engine.choice,
    serviceEntries: { ...defaultEntries(), ...input.serviceEntries },
    env: { ...env, PATH: [join(REPOSITORY_DIRECTORY, 'node_modules/.bin'), env.PATH].join(delimiter) },
    logLevel: env.WORKTRAIL_LOG_LEVEL || 'info',
    configPath,
    model: operator.values.model,
  };
}

export function serviceUrl(plan: Pick<ClusterPlan, 'host' | 'ports'>, name: ServiceName): string {
  return `http://${plan.host}:${plan.ports[name]}`;
}

function fetchTool(name: ToolName, { state, env, report, signal }: PlanInput) {
  return step(report, `Fetch ${name}`, async () => {
    const { path, version, source } = await resolveTool(name, state.tools, env, signal);
    return { path, detail: `${version}, ${source}` };
  });
}

function defaultEntries(): Record<ServiceName, string> {
  const entry = (name: ServiceName) => join(REPOSITORY_DIRECTORY, 'services', name, 'src/main.ts');
  return {
    'trace-store': entry('trace-store'),
    orchestrator: entry('orchestrator'),
    'sandbox-runner': entry('sandbox-runner'),
    gateway: entry('gateway'),
  };
}

/** Read here too, so that its mistakes are told before anything starts. */
async function readConfiguration({ state, env }: PlanInput) {
  const configPath = await findConfig(state.root, env);
  const operator = readOperatorSettings({ ...env, WORKTRAIL_CONFIG: configPath ?? '' });
  const variables = Object.values(operator.origins).filter(({ from }) => from === 'environment');
  const file = configPath ?? 'no worktrail.yaml';
  const detail =
    variables.length > 0 ? `${file}, over it ${variables.map(({ variable }) => variable).join(', ')}` : file;
  return { configPath, operator, detail };
}

/** WORKTRAIL_CONFIG, or `worktrail.yaml` in the state directory or in the clone. */
async function findConfig(root: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  if (env.WORKTRAIL_CONFIG) return resolve(env.WORKTRAIL_CONFIG);
  for (const directory of [root, REPOSITORY_DIRECTORY]) {
    const path = join(directory, 'worktrail.yaml');
    if (await isFile(path)) return path;
  }
  return null;
}
