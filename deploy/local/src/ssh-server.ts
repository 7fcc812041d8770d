/**
 * The ssh server that tests of credentials fetch from. Only its program is wanted: nothing starts it here, and where the system would, at
 * the next boot, it is not installed but asked for.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { findProgram, installPackages } from './install-packages.ts';
import { type Report, step } from './progress.ts';

const PACKAGES = ['openssh-server', 'openssh-client'];
/** Asked by Debian's packages whether they may start their services; 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d';
/** Without it a server that root starts refuses to run. */
const PRIVILEGE_SEPARATION = '/run/sshd';

export async function provideSshServer(env: NodeJS.ProcessEnv, report: Report): Promise<void> {
  const isThere = async () =>
    (await findProgram('sshd', env)) !== null && (await findProgram('ssh-keygen', env)) !== null;
  const isRoot = process.getuid?.() === 0;
  if (!(await isThere())) {
    if (!isRoot || existsSync('/run/systemd/system') || !(await findProgram('apt-get', env))) {
      report({
        kind: 'note',
        title: `Tests over ssh are skipped: install ${PACKAGES.join(' and ')} to have them run.`,
      });
      return;
    }
    await step(report, 'Install openssh', () =>
      whileNothingStarts(() => installPackages(PACKAGES, 'by tests over ssh', env)),
    );
    if (!(await isThere())) throw new Error(`${PACKAGES.join(' and ')} are installed but brought no sshd.`);
  }
  if (isRoot && process.platform === 'linux') await mkdir(PRIVILEGE_SEPARATION, { recursive: true, mode: 0o755 });
}

async function whileNothingStarts(work: () => Promise<void>): Promise<void> {
  if (existsSync(POLICY)) return await work();
  await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await work();
  } finally {
    await rm(POLICY, { force: true });
  }
}
