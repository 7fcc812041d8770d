import { expect, test } from 'vitest';
import { resolveRepositoryAddress } from './repository-address.ts';

const roots = { allowed: [], stateDirectory: undefined };

test.each(['git@git.example.org:team/app.git', 'ssh://git@git.example.org/team/app.git'])(
  '%s is not allowed where the operator does not allow ssh, and the setting is named',
  async (url) => {
    await expect(resolveRepositoryAddress(url, { ...roots, ssh: false })).rejects.toMatchObject({
      reason: 'not_allowed',
      message: expect.stringContaining('runner.sshConfig'),
    });
    await expect(resolveRepositoryAddress(url, { ...roots, ssh: true })).resolves.toEqual({ kind: 'remote', url });
  },
);
