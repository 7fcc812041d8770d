// Makes a session's work tree, inside its sandbox.
//
// The repository is initialised there with the upstream mirror's objects as alternates, so nothing is copied but the files of the
// checkout, and no git of the host ever reads a work tree.

import { sandboxPaths } from '../docker/docker-container-spec.ts';
import { baseEnvironment } from '../docker/image-environment.ts';
import { type InternalResult, runInternalCommand } from '../supervision/internal-command.ts';
import type { Upstream } from '../repositories/repository-mirror.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import type { SupervisorLink } from '../supervision/supervisor-link.ts';

const setupTimeoutMs = 300_000;
const headTimeoutMs = 20_000;
const gitMissing = 90;
const objectsUnreadable = 91;

// Where the checkout fails, packing the same tree tells whether an object of it is the cause.
const setupScript = `set -eu
command -v git >/dev/null 2>&1 || exit ${gitMissing}
git init -q \${WORKTRAIL_SHA256:+--object-format=sha256} .
printf '%s\\n' "$WORKTRAIL_OBJECTS" > .git/objects/info/alternates
[ -z "$WORKTRAIL_SHALLOW" ] || printf '%s\\n' "$WORKTRAIL_SHALLOW" > .git/shallow
git config remote.origin.url "$WORKTRAIL_URL"
git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'
git config user.name Worktrail
git config user.email session@worktrail.invalid
git config gc.auto 0
git update-ref "refs/remotes/origin/$WORKTRAIL_DEFAULT" "$WORKTRAIL_DEFAULT_COMMIT"
git symbolic-ref refs/remotes/origin/HEAD "refs/remotes/origin/$WORKTRAIL_DEFAULT"
git update-ref "refs/heads/$WORKTRAIL_BRANCH" "$WORKTRAIL_BASE"
git symbolic-ref HEAD "refs/heads/$WORKTRAIL_BRANCH"
git reset -q --hard || {
  printf '%s^{tree}\\n' "$WORKTRAIL_BASE" | git pack-objects -q --revs --window=0 --no-reuse-object --stdout > /dev/null || exit ${objectsUnreadable}
  exit 1
}
command -v bash || command -v sh
`;

/** Answers the path of the shell that commands run in. @throws SessionFailure */
export async function setUpWorkspace(
  link: SupervisorLink,
  options: { upstream: Upstream; branch: string; imageEnv: string[]; signal: AbortSignal },
): Promise<string> {
  const { upstream, branch, imageEnv, signal } = options;
  const env = {
    ...baseEnvironment(imageEnv),
    WORKTRAIL_OBJECTS: sandboxPaths.upstreamObjects,
    WORKTRAIL_SHALLOW: upstream.shallow.trim().slice(0, 65_536),
    WORKTRAIL_URL: upstream.url,
    WORKTRAIL_DEFAULT: upstream.defaultBranch,
    WORKTRAIL_DEFAULT_COMMIT: upstream.defaultCommit,
    WORKTRAIL_BRANCH: branch,
    WORKTRAIL_BASE: upstream.baseCommit,
    WORKTRAIL_SHA256: upstream.baseCommit.length === 64 ? '1' : '',
  };
  const command = { argv: ['sh', '-c', setupScript], env, timeoutMs: setupTimeoutMs, signal };
  const result = await runInternalCommand(link, command);
  refuseUnsuitable(result);
  return shellOf(result);
}

interface SetupResult {
  end: Pick<InternalResult['end'], 'outcome' | 'exitCode' | 'reason'>;
  stderr: string;
}

/** @throws SessionFailure for a setup that did not do its work */
export function refuseUnsuitable({ end, stderr }: SetupResult): void {
  if (end.outcome === 'failed_to_start') {
    throw new SessionFailure('image_unsuitable', `the image has no usable "sh": ${end.reason}`);
  }
  if (end.exitCode === gitMissing) throw new SessionFailure('image_unsuitable', 'the image has no "git"');
  if (end.outcome === 'exited' && end.exitCode === 0) return;
  const how = end.outcome === 'exited' ? `exit code ${end.exitCode}` : `${end.outcome} ${end.reason}`;
  const lines = stderr.trim().split('\n');
  const said = lines.at(-1)?.slice(0, 500) ?? '';
  if (end.exitCode === objectsUnreadable) {
    throw new SessionFailure('repository_unreachable', `the repository has an object that cannot be read: ${said}`);
  }
  const refused = lines.find((line) => line.startsWith('error: invalid path'))?.slice(7, 500);
  if (refused) throw new SessionFailure('repository_unsuitable', `git does not check this repository out: ${refused}`);
  throw new SessionFailure('internal', `the work tree could not be made (${how.trim()}): ${said}`);
}

/** Path of the shell that commands run in. @throws SessionFailure where the image is unsuitable. */
export async function findShell(
  link: SupervisorLink,
  options: { imageEnv: string[]; signal: AbortSignal },
): Promise<string> {
  const script = `command -v git >/dev/null 2>&1 || exit ${gitMissing}\ncommand -v bash || command -v sh\n`;
  const env = baseEnvironment(options.imageEnv);
  const command = { argv: ['sh', '-c', script], env, timeoutMs: setupTimeoutMs, signal: options.signal };
  const result = await runInternalCommand(link, command);
  refuseUnsuitable(result);
  return shellOf(result);
}

function shellOf({ stdout }: InternalResult): string {
  const shell = stdout.trim().split('\n').at(-1) ?? '';
  return shell.startsWith('/') ? shell : '/bin/sh';
}

/** The work tree's HEAD; null where what the user left has none. */
export async function readHeadCommit(
  link: SupervisorLink,
  options: { imageEnv: string[]; signal: AbortSignal },
): Promise<string | null> {
  const result = await runInternalCommand(link, {
    argv: ['git', 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}'],
    env: baseEnvironment(options.imageEnv),
    timeoutMs: headTimeoutMs,
    signal: options.signal,
  });
  return /^[0-9a-f]{40,64}$/.exec(result.stdout.trim())?.[0] ?? null;
}
