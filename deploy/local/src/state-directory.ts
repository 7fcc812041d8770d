/**
 * Where everything of one cluster lives, and the short name for it that Unix sockets need.
 *
 * A socket's path may have 107 bytes. Where the state directory is too deep for that, sockets are addressed through a symbolic
 * link in the runtime directory; the sockets themselves stay in the state directory, and connection.json names the path that works.
 */
import { createHash } from 'node:crypto';
import { lstat, mkdir, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';

export interface StatePaths {
  root: string;
  logs: string;
  secrets: string;
  tools: string;
  run: string;
  connection: string;
  lock: string;
  nats: string;
  temporalDatabase: string;
  clickhouse: string;
  runner: string;
  bundles: string;
}

export function statePaths(root: string, toolsDirectory: string | undefined): StatePaths {
  return {
    root,
    logs: join(root, 'logs'),
    secrets: join(root, 'secrets'),
    tools: toolsDirectory ? resolve(toolsDirectory) : join(root, 'tools'),
    run: join(root, 'run'),
    connection: join(root, 'connection.json'),
    lock: join(root, 'run', 'supervisor.json'),
    nats: join(root, 'nats'),
    temporalDatabase: join(root, 'temporal', 'temporal.db'),
    clickhouse: join(root, 'clickhouse'),
    runner: join(root, 'runner'),
    bundles: join(root, 'bundles'),
  };
}

/** Makes the directories with the modes they need and resolves links, so that one directory has one name. */
export async function openStateDirectory(path: string, toolsDirectory: string | undefined): Promise<StatePaths> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const paths = statePaths(await realpath(path), toolsDirectory);
  await mkdir(paths.secrets, { recursive: true, mode: 0o700 });
  const others = [paths.logs, paths.tools, paths.run, paths.nats, join(paths.root, 'temporal'), paths.clickhouse];
  for (const directory of [...others, paths.runner, paths.bundles]) await mkdir(directory, { recursive: true });
  return paths;
}

/** `--state` over WORKTRAIL_HOME over `.worktrail` in the clone; relative paths are relative to the working directory. */
export function chooseStateDirectory(
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  repositoryDirectory: string,
): string {
  const chosen = flag || env.WORKTRAIL_HOME;
  if (!chosen) return join(repositoryDirectory, '.worktrail');
  return isAbsolute(chosen) ? chosen : resolve(chosen);
}

const SOCKET_PATH_MAX_BYTES = 107;
/** The longest socket path that a Docker engine makes below its root: `docker/run/containerd/containerd-debug.sock`. */
const SOCKET_SUFFIX_BYTES = 50;

export function needsShortName(root: string): boolean {
  return Buffer.byteLength(root) + SOCKET_SUFFIX_BYTES > SOCKET_PATH_MAX_BYTES;
}

/** The root as sockets are addressed: itself, or a link to it that is ours. */
export async function openSocketRoot(root: string, env: NodeJS.ProcessEnv): Promise<string> {
  if (!needsShortName(root)) return root;
  const link = shortName(root, env);
  await symlink(root, link).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(link);
  if (!found.isSymbolicLink() || found.uid !== process.getuid?.() || (await readlink(link)) !== root) {
    throw new Error(
      `${link} exists and is not this cluster's link to ${root}: remove it, or choose a shorter state directory.`,
    );
  }
  return link;
}

export async function removeSocketRoot(root: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (needsShortName(root)) await rm(shortName(root, env), { force: true });
}

function shortName(root: string, env: NodeJS.ProcessEnv): string {
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12);
  return join(env.XDG_RUNTIME_DIR || '/tmp', `wt-${hash}`);
}
