import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { putCredentialSchema } from './credential-schema.ts';

const knownHosts = 'git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA';

/** As ssh-keygen writes one, as far as can be told without its key. */
function opensshKey(cipher: string): string {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(cipher.length);
  const body = Buffer.concat([Buffer.from('openssh-key-v1\0'), length, Buffer.from(cipher), Buffer.alloc(200, 7)]);
  const lines = body.toString('base64').match(/.{1,70}/g)!;
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

function pemKey(type: 'pkcs1' | 'pkcs8', isProtected: boolean): string {
  const lock = isProtected ? { cipher: 'aes-256-cbc', passphrase: 'passphrase' } : {};
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  return privateKey.export({ type, format: 'pem', ...lock }).toString();
}

const problems = (value: unknown) =>
  putCredentialSchema.safeParse(value).error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`);

test('a token is one line, and goes with any user name unless one is given', () => {
  expect(putCredentialSchema.parse({ kind: 'token', token: 'abc' })).toMatchObject({ username: 'x-access-token' });
  const broken = problems({ kind: 'token', token: 'secret\nhost=elsewhere.example.org', username: '' });
  expect(broken).toHaveLength(2);
  expect(broken?.join()).not.toContain('secret');
});

test('a key is taken with any ends of lines', () => {
  const key = opensshKey('none');
  const windows = key.trim().replaceAll('\n', '\r\n');
  expect(putCredentialSchema.parse({ kind: 'ssh_key', privateKey: windows, knownHosts })).toMatchObject({
    privateKey: key,
    knownHosts: `${knownHosts}\n`,
  });
  for (const privateKey of [pemKey('pkcs1', false), pemKey('pkcs8', false)])
    expect(putCredentialSchema.parse({ kind: 'ssh_key', privateKey, knownHosts })).toMatchObject({ privateKey });
});

test('a key that a passphrase protects is refused, and so is what is no key', () => {
  for (const privateKey of [opensshKey('aes256-ctr'), pemKey('pkcs1', true), pemKey('pkcs8', true)])
    expect(problems({ kind: 'ssh_key', privateKey, knownHosts })).toEqual([
      'privateKey is protected by a passphrase, which nobody could enter',
    ]);
  expect(problems({ kind: 'ssh_key', privateKey: 'ssh-ed25519 AAAA', knownHosts })).toHaveLength(1);
});

test.each(['', '# nothing', 'git.example.org', 'git.example.org ssh-ed25519'])('%j names no host', (text) => {
  expect(problems({ kind: 'ssh_key', privateKey: opensshKey('none'), knownHosts: text })?.[0]).toMatch(/^knownHosts /);
});
