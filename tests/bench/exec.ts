// A short command, three ways in one run: through the API with wait, through Docker's exec API on the same container (alternating,
// so that both see the same machine), and through the API in 20 sessions at once.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeScratch } from '@worktrail/testing/scratch';
import Docker from 'dockerode';
import { startCluster } from '../../deploy/local/src/cluster.ts';
import { createTerminalReport, createStyle } from '../../deploy/local/src/terminal.ts';
import { type Api, createApi } from '../e2e/api.ts';
import { makeRepository } from '../e2e/repository.ts';
import { type Quantiles, quantiles } from './quantiles.ts';

const warmUps = 30;
const rounds = 200;
const sessionsAtOnce = 20;
const commandsPerSession = 40;
const root = join(import.meta.dirname, '../..');

interface Figures {
  api: Quantiles;
  docker: Quantiles;
  commandsPerSecond: number;
}

async function main(): Promise<void> {
  await using scratch = await makeScratch('bench');
  const repositories = join(scratch.path, 'repositories');
  const repository = await makeRepository(join(repositories, 'bench'), 100);
  const cluster = await startCluster({
    stateDirectory: join(scratch.path, 'state'),
    toolsDirectory: process.env['WORKTRAIL_TOOLS_DIR'] ?? join(root, '.worktrail/tools'),
    repositoryRoots: [repositories],
    onProgress: createTerminalReport((text) => process.stderr.write(text), createStyle(process.stderr.isTTY)),
  });
  try {
    const api = createApi(cluster.connection.apiUrl, cluster.connection.apiKey);
    const docker = new Docker({ socketPath: cluster.connection.dockerSocket });
    const project = await api.make('/v1/projects', { name: 'bench', repository: { url: repository.path } });
    const figures = await measure(api, docker, project.id);
    const page = render(figures, await describeMachine(docker));
    console.log(page);
    await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
    await writeFile(join(root, 'docs/benchmarks/exec.md'), page);
  } finally {
    await cluster.stop();
  }
}

async function measure(api: Api, docker: Docker, projectId: string): Promise<Figures> {
  const session = await newSession(api, projectId);
  const [info] = await docker.listContainers({ filters: { label: [`worktrail.session=${session}`] } });
  if (!info) throw new Error(`session ${session} has no container`);
  const container = docker.getContainer(info.Id);
  const throughApi: number[] = [];
  const throughDocker: number[] = [];
  for (let round = -warmUps; round < rounds; round++) {
    const apiMs = await timed(() => echo(api, session));
    const dockerMs = await timed(() => execEcho(container));
    if (round >= 0) {
      throughApi.push(apiMs);
      throughDocker.push(dockerMs);
    }
  }
  return {
    api: quantiles(throughApi),
    docker: quantiles(throughDocker),
    commandsPerSecond: await measureRate(api, projectId),
  };
}

async function measureRate(api: Api, projectId: string): Promise<number> {
  const sessions = await Promise.all(Array.from({ length: sessionsAtOnce }, () => newSession(api, projectId)));
  const runAll = (count: number) =>
    Promise.all(
      sessions.map(async (session) => {
        for (let i = 0; i < count; i++) await echo(api, session);
      }),
    );
  await runAll(3);
  const ms = await timed(() => runAll(commandsPerSession));
  return (sessionsAtOnce * commandsPerSession) / (ms / 1_000);
}

async function newSession(api: Api, projectId: string): Promise<string> {
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=120`, {});
  if (session.state !== 'ready') throw new Error(`session is ${session.state}: ${JSON.stringify(session.failure)}`);
  return session.id;
}

async function echo(api: Api, session: string): Promise<void> {
  const path = `/v1/sessions/${session}/commands?waitSeconds=30`;
  const command = await api.make(path, { command: 'echo hi', stdin: '' });
  if (command.output?.text !== 'hi\n' || command.exitCode !== 0) throw new Error(JSON.stringify(command));
}

/** What `docker exec` does: create, start with output attached, read to the end, inspect for the exit code. */
async function execEcho(container: Docker.Container): Promise<void> {
  const exec = await container.exec({ Cmd: ['sh', '-c', 'echo hi'], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  const { ExitCode } = await exec.inspect();
  if (ExitCode !== 0 || !Buffer.concat(chunks).toString().includes('hi'))
    throw new Error(`exec ended with ${ExitCode}`);
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await action();
  return performance.now() - startedAt;
}

async function describeMachine(docker: Docker): Promise<string> {
  const version = await docker.version();
  const { stdout } = await promisify(execFile)('git', ['-C', root, 'rev-parse', '--short', 'HEAD']);
  return `${cpus().length} cores, Node ${process.version}, Docker ${version.Version}, commit ${stdout.trim()}`;
}

function render({ api, docker, commandsPerSecond }: Figures, machine: string): string {
  const row = (name: string, times: Quantiles) =>
    `| ${name} | ${times.p50.toFixed(1)} | ${times.p95.toFixed(1)} | ${times.max.toFixed(1)} |`;
  return `# A short command: \`npm run bench -- exec\`

Measured on ${machine}; ${rounds} rounds after ${warmUps} to warm up, both ways alternating on the same container.

| \`echo hi\` | p50 ms | p95 ms | max ms |
|---|---|---|---|
${row('through the API, with wait', api)}
${row("through Docker's exec API", docker)}
| **ratio API : Docker** | **${(api.p50 / docker.p50).toFixed(2)}** | **${(api.p95 / docker.p95).toFixed(2)}** | |

${sessionsAtOnce} sessions at once, ${commandsPerSession} commands each, one after the other in a session: **${commandsPerSecond.toFixed(0)} commands per second**.

Each command through the API is durable before it answers: recorded by its workflow in Temporal, its output in the sandbox's journal
and in JetStream (fsynced). Docker's exec keeps nothing.

Not measured: network between client and gateway (both on this machine), a Temporal, NATS or ClickHouse cluster, commands with much
output, cold sessions, the cost of reading the history afterwards, and other load on the machine. Client, cluster and engine share the cores.
`;
}

await main();
