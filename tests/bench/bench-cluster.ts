// What the benches share: a cluster of their own with a repository and a project, sessions in it, Docker's own way beside it, and the page.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeScratch } from '@worktrail/testing/scratch';
import Docker from 'dockerode';
import { startCluster } from '../../deploy/local/src/cluster.ts';
import { createStyle, createTerminalReport } from '../../deploy/local/src/terminal.ts';
import { type Api, createApi } from '../e2e/api.ts';
import { makeRepository } from '../e2e/repository.ts';

const root = join(import.meta.dirname, '../..');

export interface Bench {
  api: Api;
  apiKey: string;
  docker: Docker;
  /** Address of the cluster's Temporal. */
  temporal: string;
  /** Of the cluster's processes, by name. */
  pids: Record<string, number>;
  projectId: string;
  /** A directory in which repositories of projects may lie. */
  repositories: string;
  /** "2 cores at a load of 0.4, Node …": the load when the cluster was up, of the last minute. */
  machine: string;
}

export interface BenchOptions {
  /** Of the repository that sessions work on. */
  files: number;
  env?: NodeJS.ProcessEnv;
  /** False: it is only printed. */
  page?: boolean;
}

/** Prints the page that `measure` answers, and writes it to docs/benchmarks. */
export async function runBench(
  name: string,
  options: BenchOptions,
  measure: (bench: Bench) => Promise<string>,
): Promise<void> {
  await using scratch = await makeScratch('bench');
  const repositories = join(scratch.path, 'repositories');
  const repository = await makeRepository(join(repositories, 'bench'), options.files);
  const cluster = await startCluster({
    stateDirectory: join(scratch.path, 'state'),
    toolsDirectory: process.env['WORKTRAIL_TOOLS_DIR'] ?? join(root, '.worktrail/tools'),
    repositoryRoots: [repositories],
    onProgress: createTerminalReport((text) => process.stderr.write(text), createStyle(process.stderr.isTTY)),
    ...(options.env && { env: options.env }),
  });
  try {
    const { apiUrl, apiKey, dockerSocket, addresses } = cluster.connection;
    const { supervisor: _, ...pids } = cluster.connection.pids;
    const api = createApi(apiUrl, apiKey);
    const docker = new Docker({ socketPath: dockerSocket });
    const project = await api.make('/v1/projects', { name: 'bench', repository: { url: repository.path } });
    const machine = await describeMachine(docker);
    const own = { temporal: addresses.temporal, pids, projectId: project.id, repositories, machine };
    const bench = { api, apiKey, docker, ...own };
    const page = await measure(bench);
    console.log(page);
    if (options.page === false) return;
    await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
    await writeFile(join(root, 'docs/benchmarks', `${name}.md`), page);
  } finally {
    await cluster.stop();
  }
}

async function describeMachine(docker: Docker): Promise<string> {
  const version = await docker.version();
  const { stdout } = await promisify(execFile)('git', ['-C', root, 'rev-parse', '--short', 'HEAD']);
  const load = loadavg()[0]!.toFixed(1);
  return `${cpus().length} cores at a load of ${load}, Node ${process.version}, Docker ${version.Version}, commit ${stdout.trim()}`;
}

export async function newSession({ api, projectId }: Pick<Bench, 'api' | 'projectId'>): Promise<string> {
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=120`, {});
  if (session.state !== 'ready') throw new Error(`session is ${session.state}: ${JSON.stringify(session.failure)}`);
  return session.id;
}

export async function containerOf(docker: Docker, session: string): Promise<Docker.Container> {
  const [info] = await docker.listContainers({ filters: { label: [`worktrail.session=${session}`] } });
  if (!info) throw new Error(`session ${session} has no container`);
  return docker.getContainer(info.Id);
}

/**
 * What `docker exec` does: create, start with output attached, read to the end, inspect for the exit code. Answers the bytes that came,
 * framing included. @throws where the exit code is not 0.
 */
export async function dockerExec(
  container: Docker.Container,
  command: string,
  onData: (chunk: Buffer) => void = () => undefined,
): Promise<number> {
  const exec = await container.exec({ Cmd: ['sh', '-c', command], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    onData(chunk);
  });
  await once(stream, 'end');
  const { ExitCode } = await exec.inspect();
  if (ExitCode !== 0) throw new Error(`exec ended with ${ExitCode}`);
  return bytes;
}

export async function timed(action: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await action();
  return performance.now() - startedAt;
}
