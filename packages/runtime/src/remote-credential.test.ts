import { expect, test } from 'vitest';
import { credentialTaker, openCredential, type RemoteCredential, sealCredential } from './remote-credential.ts';
import { createSecretBox } from './secret-box.ts';

test.each([
  ['https://git.example.org/team/app.git', { kind: 'token', server: 'https://git.example.org' }],
  ['https://Git.Example.org:443/app', { kind: 'token', server: 'https://git.example.org' }],
  ['https://git.example.org:8443/app', { kind: 'token', server: 'https://git.example.org:8443' }],
  ['ssh://git@git.example.org/app.git', { kind: 'ssh_key', server: 'ssh://git.example.org:22' }],
  ['ssh://git@git.example.org:2222/app.git', { kind: 'ssh_key', server: 'ssh://git.example.org:2222' }],
  ['git@Git.example.org:team/app.git', { kind: 'ssh_key', server: 'ssh://git.example.org:22' }],
  ['git://git.example.org/app', undefined],
  ['/srv/repositories/app', undefined],
  ['file:///srv/repositories/app', undefined],
])('%s takes %j', (url, taker) => {
  expect(credentialTaker(url)).toEqual(taker);
});

test('a credential opens for the project that it was sealed for, and nothing of it stands in the document', () => {
  const box = createSecretBox(Buffer.alloc(32, 1));
  const credential: RemoteCredential = {
    kind: 'token',
    server: 'https://git.example.org',
    username: 'ada',
    token: 'correct-horse',
  };
  const document = sealCredential(box, 'prj_one', credential, '2026-01-01T00:00:00.000Z');
  expect(openCredential(box, 'prj_one', document)).toEqual(credential);
  expect(() => openCredential(box, 'prj_two', document)).toThrow();
  expect(JSON.stringify(document)).not.toMatch(/correct-horse|ada|example/);
});
