import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { putCredentialSchema } from './credential-schema.ts';

let scratch: Scratch;
let key: string;
const knownHosts = 'git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA';

function makeKey(name: string, ...options: string[]): string {
  const path = join(scratch.path, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-f', path, '-C', '', ...options]);
  return readFileSync(path, 'utf8');
}

beforeAll(async () => {
  scratch = await makeScratch('credential-schema');
  key = makeKey('plain', '-N', '');
});
afterAll(() => scratch.remove());

const problems = (value: unknown) =>
  putCredentialSchema.safeParse(value).error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`);

test('a token is one line, and goes with any user name unless one is given', () => {
  expect(putCredentialSchema.parse({ kind: 'token', token: 'abc' })).toMatchObject({ username: 'x-access-token' });
  const broken = problems({ kind: 'token', token: 'secret\nhost=elsewhere.example.org', username: '' });
  expect(broken).toHaveLength(2);
  expect(broken?.join()).not.toContain('secret');
});

test('a key is taken with any ends of lines, and must be one that can be used without a passphrase', () => {
  const windows = key.trim().replaceAll('\n', '\r\n');
  expect(putCredentialSchema.parse({ kind: 'ssh_key', privateKey: windows, knownHosts })).toMatchObject({
    privateKey: key,
    knownHosts: `${knownHosts}\n`,
  });
  const protectedKey = makeKey('protected', '-N', 'passphrase');
  const oldProtected = makeKey('old', '-N', 'passphrase', '-m', 'PEM', '-t', 'rsa');
  for (const privateKey of [protectedKey, oldProtected])
    expect(problems({ kind: 'ssh_key', privateKey, knownHosts })).toEqual([
      'privateKey is protected by a passphrase, which nobody could enter',
    ]);
  expect(problems({ kind: 'ssh_key', privateKey: 'ssh-ed25519 AAAA', knownHosts })).toHaveLength(1);
});

test.each(['', '# nothing', 'git.example.org', 'git.example.org ssh-ed25519'])('%j names no host', (text) => {
  expect(problems({ kind: 'ssh_key', privateKey: key, knownHosts: text })?.[0]).toMatch(/^knownHosts /);
});
