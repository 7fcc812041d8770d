import { describe, expect, test } from 'vitest';
import {
  candidateStateDirectories,
  type ConnectionFile,
  parseConnectionFile,
  resolveConnection,
} from './connection.ts';
import { CliError, UsageError } from './exit-codes.ts';

const file: ConnectionFile = {
  apiUrl: 'http://127.0.0.1:7700',
  apiKey: 'wt_of_file',
  pids: {},
  addresses: {},
  organizationId: null,
  projectId: null,
  configPath: null,
};

function sources(env: NodeJS.ProcessEnv = {}, apiUrlOption?: string, stateOption?: string) {
  return { env, cwd: '/home/me/project/src', apiUrlOption, stateOption };
}

describe('the state directory', () => {
  test('is the nearest .worktrail upward', () => {
    expect(candidateStateDirectories(sources())).toEqual([
      '/home/me/project/src/.worktrail',
      '/home/me/project/.worktrail',
      '/home/me/.worktrail',
      '/home/.worktrail',
      '/.worktrail',
    ]);
  });

  test('is what WORKTRAIL_HOME names, and --state before that', () => {
    expect(candidateStateDirectories(sources({ WORKTRAIL_HOME: '/state' }))).toEqual(['/state']);
    expect(candidateStateDirectories(sources({ WORKTRAIL_HOME: '/state' }, undefined, '../own'))).toEqual([
      '/home/me/project/own',
    ]);
  });
});

describe('the connection', () => {
  test('comes from connection.json', () => {
    expect(resolveConnection(sources(), '/state', file)).toMatchObject({
      apiUrl: file.apiUrl,
      apiKey: 'wt_of_file',
      file,
    });
  });

  test('comes from the environment before that, and from --api-url before both', () => {
    const env = { WORKTRAIL_API_URL: 'https://a.example', WORKTRAIL_API_KEY: 'wt_own' };
    expect(resolveConnection(sources(env), '/state', file)).toMatchObject({
      apiUrl: 'https://a.example',
      apiKey: 'wt_own',
    });
    expect(resolveConnection(sources(env, 'https://b.example'), '/state', file).apiUrl).toBe('https://b.example');
  });

  test('never sends the key of a connection.json to another address', () => {
    const other = resolveConnection(sources({}, 'http://127.0.0.1:7701'), '/state', file);
    expect(other).toMatchObject({ apiKey: undefined, apiKeyFrom: null, file: null });
    const same = resolveConnection(sources({}, 'http://127.0.0.1:7700/'), '/state', file);
    expect(same.apiKey).toBe('wt_of_file');
  });

  test('says how to get one when there is none', () => {
    const none = () => resolveConnection(sources(), null, null);
    expect(none).toThrow(CliError);
    expect(none).toThrow('no Worktrail cluster was found');
    expect(() => resolveConnection(sources(), '/state', null)).toThrow('the cluster of /state is not running');
  });

  test('refuses an address that is none', () => {
    expect(() => resolveConnection(sources({ WORKTRAIL_API_URL: 'localhost:1' }), null, null)).toThrow(UsageError);
    expect(() => resolveConnection(sources({}, 'ftp://x'), null, null)).toThrow('--api-url is no http address');
  });
});

test('a connection file without address or key is refused by name', () => {
  expect(() => parseConnectionFile('{"apiUrl":"http://x"}', '/s/connection.json')).toThrow('/s/connection.json');
  expect(() => parseConnectionFile('torn', '/s/connection.json')).toThrow('is not a connection file');
});
