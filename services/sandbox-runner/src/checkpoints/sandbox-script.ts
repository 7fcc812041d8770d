// The scripts that run inside a sandbox for checkpoints, and what both are told.

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { workspacePath } from '@worktrail/contract/environment-variables';
import { sandboxPaths } from '../docker/docker-container-spec.ts';
import { type InternalResult, runInternalCommand } from '../supervision/internal-command.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { baseEnvironment } from '../docker/image-environment.ts';
import { privateConfiguration } from './sandbox-git-config.ts';

export type SandboxScript = (
  sandbox: OpenSandbox,
  environment: Record<string, string>,
  options: { baseCommit: string; timeoutMs: number; signal: AbortSignal; key?: string },
) => Promise<InternalResult>;

const shallowBytesMax = 65_536;

/** @param name of a file beside this one */
export function readSandboxScript(name: 'record.sh' | 'restore.sh' | 'update.sh'): SandboxScript {
  const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8');
  // An update is git's own in the user's repository, by the user's configuration.
  const text = name === 'update.sh' ? read(name) : `${read('private-git.sh')}\n${read(name)}`;
  return async (sandbox, environment, { baseCommit, timeoutMs, signal, key }) => {
    const { imageEnv, upstreamObjects } = sandbox.record;
    const { PATH } = baseEnvironment(imageEnv);
    const shallow = await readFile(join(dirname(upstreamObjects), 'shallow'), 'utf8').catch(() => '');
    const env = {
      PATH: PATH!,
      WT_DIR: sandboxPaths.checkpoints,
      WT_TREE: workspacePath,
      WT_UPSTREAM: sandboxPaths.upstreamObjects,
      WT_SHALLOW: shallow.trim().slice(0, shallowBytesMax),
      WT_CONFIG: privateConfiguration(baseCommit.length === 64 ? 'sha256' : 'sha1'),
      WT_BASE: baseCommit,
      ...environment,
    };
    const until = AbortSignal.any([signal, sandbox.lost]);
    return runInternalCommand(sandbox.link, {
      ...(key !== undefined && { key }),
      ...{ argv: ['sh', '-c', text], env, timeoutMs, signal: until },
    });
  };
}

/** How a script ended, for logs. */
export function endOfScript({ end, stderr }: InternalResult): string {
  const how = end.outcome === 'exited' ? `exit code ${end.exitCode}` : `${end.outcome} ${end.reason}`.trim();
  return `${how}: ${stderr.trim().split('\n').slice(-3).join('; ').slice(-500)}`;
}
