import { expect, test } from 'vitest';
import { redact, resolveRepository, withoutCredentials } from './repository-url.ts';

test('what is refused ends the session with the code for it, without credentials', async () => {
  const roots = { allowed: ['/nowhere/roots'], stateDirectory: undefined, ssh: false };
  const codeOf = (url: string) => resolveRepository(url, roots).catch((error: { code: string }) => error.code);
  for (const url of ['ext::sh -c id', 'git@example.org:a.git', '/etc'])
    expect(await codeOf(url)).toBe('repository_not_allowed');
  expect(await codeOf('/nowhere/roots/a')).toBe('repository_unreachable');
  await expect(resolveRepository('http://user:token@example.org/a', roots)).rejects.toThrow('http://***@example.org/a');
});

test('credentials never leave an address', () => {
  expect(withoutCredentials('/a/b')).toBe('/a/b');
  expect(withoutCredentials('https://user:token@example.org/a.git')).toBe('https://example.org/a.git');
  expect(withoutCredentials('ssh://git:pass@example.org/a')).toBe('ssh://git@example.org/a');
  expect(withoutCredentials('git@example.org:a/b.git')).toBe('git@example.org:a/b.git');
  expect(redact("fatal: unable to access 'https://user:token@example.org/a.git/'")).toBe(
    "fatal: unable to access 'https://***@example.org/a.git/'",
  );
});
