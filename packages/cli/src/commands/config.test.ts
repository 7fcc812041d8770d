import { expect, test } from 'vitest';
import { cliConfiguration, flatten, operatorLines } from './config.ts';

test('no secret is shown, neither of the connection nor of the environment', () => {
  const connection = {
    apiUrl: 'http://127.0.0.1:7700',
    apiKey: 'wt_key_01kagb3pyqe1bsnx50e4g66jdv_verysecret',
    apiUrlFrom: 'connection.json',
    apiKeyFrom: 'connection.json',
    stateDirectory: '/state',
    file: null,
  };
  const env = {
    WORKTRAIL_API_KEY: 'verysecret',
    WORKTRAIL_OPERATOR_TOKEN: 'verysecret',
    WORKTRAIL_HOME: '/state',
    PATH: '/x',
  };
  const shown = cliConfiguration(connection, env);
  expect(JSON.stringify(shown)).not.toContain('verysecret');
  expect(shown['apiKey']).toBe('wt_key_01kagb3pyqe1bsnx50e4g66jdv_***');
  expect(shown['environment']).toEqual({
    WORKTRAIL_API_KEY: '***',
    WORKTRAIL_HOME: '/state',
    WORKTRAIL_OPERATOR_TOKEN: '***',
  });
});

test('a configuration reads as one line for each value', () => {
  expect(flatten({ a: { b: 1, c: ['x', 'y'] }, d: null, e: [{ f: true }], g: {} }, '')).toEqual([
    'a.b = 1',
    'a.c = ["x","y"]',
    'd = null',
    'e.0.f = true',
    'g = {}',
  ]);
});

test("the operator's values tell where each comes from", () => {
  const origins = {
    'defaults.cpus': { from: 'file', variable: 'WORKTRAIL_DEFAULTS_CPUS' },
    'defaults.pids': { from: 'default', variable: 'WORKTRAIL_DEFAULTS_PIDS' },
    'runner.labels': { from: 'environment', variable: 'WORKTRAIL_RUNNER_LABELS' },
  } as const;
  expect(operatorLines({ defaults: { cpus: 1, pids: 512 }, runner: { labels: { zone: 'a' } }, origins })).toEqual([
    'defaults.cpus = 1  # worktrail.yaml',
    'defaults.pids = 512  # default',
    'runner.labels.zone = "a"  # WORKTRAIL_RUNNER_LABELS',
  ]);
});
