import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ConfigurationError } from './environment.ts';
import {
  effectiveEnvironment,
  operatorSettings,
  operatorVariableNames,
  readOperatorSettings,
} from './operator-config.ts';

function problemsOf(text: string, environment: NodeJS.ProcessEnv = {}): readonly string[] {
  try {
    operatorSettings(text, 'worktrail.yaml', environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

test('an absent file is a valid configuration', () => {
  expect(operatorSettings('', 'worktrail.yaml', {}).values.defaults.memoryMb).toBe(2_048);
});

test('every mistake is named at once with its path', () => {
  const problems = problemsOf('defaults:\n  cpus: lots\n  typo: 1\nceilings:\n  pids: -1\nunknown: true\n');
  expect(problems).toHaveLength(4);
  expect(problems.join('\n')).toContain('worktrail.yaml: defaults.cpus');
  expect(problems.join('\n')).toContain('worktrail.yaml: ceilings.pids');
  expect(problems.join('\n')).toContain('typo');
  expect(problems.join('\n')).toContain('unknown');
});

test('a file that is no YAML is one mistake that names the line', () => {
  expect(problemsOf('defaults: [')).toEqual([expect.stringContaining('worktrail.yaml: ')]);
});

test('a default over its ceiling is a mistake', () => {
  expect(problemsOf('defaults: {memoryMb: 4096}\nceilings: {memoryMb: 1024}\n')).toEqual([
    'worktrail.yaml: defaults.memoryMb: 4096 is over ceilings.memoryMb (1024)',
  ]);
});

test("a project's environment is filled with defaults and held under the ceilings", () => {
  const text = 'ceilings: {memoryMb: 4096, networks: [none]}\nimages: {allowed: [team/*]}\n';
  const config = operatorSettings(text, 'f', {}).values;
  const filled = effectiveEnvironment(config, { resources: { cpus: 3 } });
  expect(filled.problems).toEqual([]);
  expect(filled.environment.resources).toEqual({
    ...{ cpus: 3, memoryMb: 2_048, pids: 512, outputBytesMax: 1024 ** 3, outputOverflow: 'end' },
  });
  const keeping = effectiveEnvironment(config, { resources: { outputOverflow: 'keep_tail' } });
  expect(keeping.environment.resources.outputOverflow).toBe('keep_tail');
  const refused = effectiveEnvironment(config, {
    image: 'other/image',
    network: { mode: 'open' },
    resources: { memoryMb: 8_192 },
  });
  expect(refused.problems.map((problem) => problem.path)).toEqual(['resources.memoryMb', 'network.mode', 'image']);
});

test('a variable counts over the file, the file over the default, and each value tells where it comes from', () => {
  const { values, origins } = operatorSettings('defaults: {cpus: 1, pids: 100}\n', 'f', {
    WORKTRAIL_DEFAULTS_CPUS: '1.5',
    WORKTRAIL_DEFAULTS_MEMORY_MB: '',
  });
  expect(values.defaults).toMatchObject({ cpus: 1.5, pids: 100, memoryMb: 2_048 });
  expect(origins['defaults.cpus']).toEqual({ from: 'environment', variable: 'WORKTRAIL_DEFAULTS_CPUS' });
  expect(origins['defaults.pids']).toEqual({ from: 'file', variable: 'WORKTRAIL_DEFAULTS_PIDS' });
  expect(origins['defaults.memoryMb']).toEqual({ from: 'default', variable: 'WORKTRAIL_DEFAULTS_MEMORY_MB' });
});

test('every value of the file has a variable', () => {
  const environment = {
    WORKTRAIL_DEFAULTS_IMAGE: 'team/base',
    WORKTRAIL_DEFAULTS_NETWORK: 'open',
    WORKTRAIL_DEFAULTS_RUNTIME: 'runsc',
    WORKTRAIL_DEFAULTS_CPUS: '1',
    WORKTRAIL_DEFAULTS_MEMORY_MB: '2',
    WORKTRAIL_DEFAULTS_PIDS: '3',
    WORKTRAIL_DEFAULTS_OUTPUT_BYTES_MAX: '4',
    WORKTRAIL_DEFAULTS_OUTPUT_OVERFLOW: 'keep_tail',
    WORKTRAIL_DEFAULTS_HIBERNATE_AFTER_SECONDS: '5',
    WORKTRAIL_DEFAULTS_CANCEL_GRACE_SECONDS: '6',
    WORKTRAIL_CEILINGS_CPUS: '7',
    WORKTRAIL_CEILINGS_MEMORY_MB: '8',
    WORKTRAIL_CEILINGS_PIDS: '9',
    WORKTRAIL_CEILINGS_OUTPUT_BYTES_MAX: '10',
    WORKTRAIL_CEILINGS_COMMAND_TIMEOUT_SECONDS: '11',
    WORKTRAIL_CEILINGS_NETWORKS: 'none, open',
    WORKTRAIL_QUOTAS_SESSIONS_PER_ORGANIZATION_MAX: '12',
    WORKTRAIL_QUOTAS_SESSIONS_PER_PROJECT_MAX: '13',
    WORKTRAIL_QUOTAS_RUNNING_COMMANDS_PER_ORGANIZATION_MAX: '18',
    WORKTRAIL_QUOTAS_RUNNING_COMMANDS_PER_PROJECT_MAX: '19',
    WORKTRAIL_QUOTAS_FOLLOWERS_PER_ORGANIZATION_MAX: '16',
    WORKTRAIL_QUOTAS_FOLLOWERS_MAX: '17',
    WORKTRAIL_IMAGES_ALLOWED: 'team/*,other/image',
    WORKTRAIL_REPOSITORY_ROOTS: '/a:/b',
    WORKTRAIL_RUNNER_SESSIONS_MAX: '14',
    WORKTRAIL_RUNNER_MEMORY_MB_MAX: '22',
    WORKTRAIL_RUNNER_STARTS_AT_ONCE_MAX: '15',
    WORKTRAIL_RUNNER_LABELS: 'zone=a,disk=fast',
    WORKTRAIL_RUNNER_DISK_RESERVE_BYTES: '16',
    WORKTRAIL_RUNNER_CONTEXT_BYTES_MAX: '23',
    WORKTRAIL_RUNNER_SSH_CONFIG: '/etc/worktrail/ssh_config',
    WORKTRAIL_ARTIFACTS_ARCHIVE_BYTES_MAX: '0',
    WORKTRAIL_ARTIFACTS_STORE_BYTES_MAX: '20',
    WORKTRAIL_ARTIFACTS_OBJECT_BYTES_MAX: '21',
    WORKTRAIL_RECONCILE_GRACE_SECONDS: '22',
    WORKTRAIL_MODEL_URL: 'http://models:1/v1',
    WORKTRAIL_MODEL_MODELS: '{"small": {"provider": "custom", "id": "s", "price": {"input": 1, "output": 2.5}}}',
    WORKTRAIL_MODEL_DEFAULT: 'custom/small',
    WORKTRAIL_EGRESS_PRIVATE_ALLOWED: '10.0.0.0/8:443,[fd00::/8]:*',
    WORKTRAIL_OTLP_URL: 'https://collector/v1/traces',
    WORKTRAIL_OTLP_CONTENT: 'true',
    WORKTRAIL_RETENTION_EVENTS_DAYS_MAX: '24',
    WORKTRAIL_RETENTION_OUTPUT_DAYS_MAX: '25',
    WORKTRAIL_RETENTION_AUDIT_DAYS_MAX: '26',
    WORKTRAIL_WEBHOOKS_PRIVATE_ALLOWED: '127.0.0.1:8080',
    WORKTRAIL_WEBHOOKS_PER_ORGANIZATION_MAX: '23',
    WORKTRAIL_EVENTS_STREAM_BYTES_MAX: '1048576',
    WORKTRAIL_EVENTS_TAIL_MESSAGES: '0',
  };
  const { values, origins } = operatorSettings('', 'f', environment);
  expect(values).toEqual({
    defaults: {
      ...{ image: 'team/base', network: 'open', runtime: 'runsc', cpus: 1, memoryMb: 2, pids: 3, outputBytesMax: 4 },
      ...{ outputOverflow: 'keep_tail', hibernateAfterSeconds: 5, cancelGraceSeconds: 6 },
    },
    ceilings: {
      ...{ cpus: 7, memoryMb: 8, pids: 9, outputBytesMax: 10, commandTimeoutSeconds: 11, networks: ['none', 'open'] },
    },
    quotas: {
      ...{ sessionsPerOrganizationMax: 12, sessionsPerProjectMax: 13 },
      ...{ runningCommandsPerOrganizationMax: 18, runningCommandsPerProjectMax: 19 },
      ...{ followersPerOrganizationMax: 16, followersMax: 17 },
    },
    images: { allowed: ['team/*', 'other/image'] },
    model: {
      url: 'http://models:1/v1',
      default: 'custom/small',
      models: {
        small: {
          ...{ provider: 'custom', id: 's', contextTokens: null, outputTokensMax: null },
          price: { input: 1, output: 2.5 },
        },
      },
    },
    retention: { eventsDaysMax: 24, outputDaysMax: 25, auditDaysMax: 26 },
    webhooks: { privateAllowed: ['127.0.0.1:8080'], perOrganizationMax: 23 },
    egress: { privateAllowed: ['10.0.0.0/8:443', '[fd00::/8]:*'] },
    repositoryRoots: ['/a', '/b'],
    runner: {
      sessionsMax: 14,
      memoryMbMax: 22,
      startsAtOnceMax: 15,
      labels: { zone: 'a', disk: 'fast' },
      diskReserveBytes: 16,
      contextBytesMax: 23,
      sshConfig: '/etc/worktrail/ssh_config',
    },
    artifacts: { archiveBytesMax: 0, storeBytesMax: 20, objectBytesMax: 21 },
    reconcile: { graceSeconds: 22 },
    otlp: { url: 'https://collector/v1/traces', content: true },
    events: { streamBytesMax: 1_048_576, tailMessages: 0 },
  });
  expect(Object.values(origins).filter(({ from }) => from !== 'environment')).toEqual([]);
  expect(Object.keys(environment).filter((name) => !operatorVariableNames.includes(name))).toEqual([]);
});

test('an older name of a variable goes on working', () => {
  const { values, origins } = operatorSettings('', 'f', { WORKTRAIL_STREAM_TAIL_MESSAGES: '7' });
  expect(values.events.tailMessages).toBe(7);
  expect(origins['events.tailMessages']).toEqual({ from: 'environment', variable: 'WORKTRAIL_STREAM_TAIL_MESSAGES' });
});

test('mistakes of file and environment are named together, each by where it stands', () => {
  const problems = problemsOf('ceilings: {pids: -1}\n', {
    WORKTRAIL_DEFAULTS_MEMORY_MB: 'much',
    WORKTRAIL_CEILINGS_NETWORKS: 'none,some',
    WORKTRAIL_RUNNER_LABELS: 'zone',
    WORKTRAIL_DEFAULTS_MEMROY: '1',
    WORKTRAIL_RUNNER_DATA: '/data',
  });
  expect(problems.map((problem) => problem.split(': ', 2).join(' '))).toEqual([
    'worktrail.yaml ceilings.pids',
    expect.stringContaining('WORKTRAIL_DEFAULTS_MEMORY_MB'),
    expect.stringContaining('WORKTRAIL_CEILINGS_NETWORKS'),
    expect.stringContaining('WORKTRAIL_RUNNER_LABELS'),
    'WORKTRAIL_DEFAULTS_MEMROY names no value of worktrail.yaml',
  ]);
});

test('a contradiction names file and variable', () => {
  expect(problemsOf('defaults: {memoryMb: 4096}\n', { WORKTRAIL_CEILINGS_MEMORY_MB: '1024' })).toEqual([
    'worktrail.yaml: defaults.memoryMb: 4096 is over WORKTRAIL_CEILINGS_MEMORY_MB (1024)',
  ]);
});

test('a file that is not there is a mistake that names it', () => {
  expect(() => readOperatorSettings({ WORKTRAIL_CONFIG: '/nowhere/worktrail.yaml' })).toThrow(
    /nowhere\/worktrail.yaml cannot be read/,
  );
});

test('the page on configuration names every value', async () => {
  const page = await readFile(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  const paths = Object.keys(operatorSettings('', 'f', {}).origins);
  expect(paths.filter((path) => !page.includes(`\`${path}\``))).toEqual([]);
});

test.each([
  '10.0.0.0/33:1',
  '10.0.0.256:1',
  '10.0.0.1',
  '10.0.0.1:0',
  '10.0.0.1:65536',
  'example.org:1',
  '[fd00::/129]:1',
])('%s is nothing that sandboxes can be allowed to reach', (entry) => {
  expect(() => operatorSettings(`egress: {privateAllowed: ["${entry}"]}`, 'f', {})).toThrow(/address:port/);
});
