// A short command, in one run and alternating, so that all ways see the same machine: through the API with wait; through Docker's
// exec API on the same container; and, for the rate of 20 sessions at once, through Temporal alone, which is the limit of what is
// durable. Of the commands through the API also the CPU time, by process.

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
import { addDifference, cpuMsOf } from './cpu-time.ts';
import { startDurableFloor } from './durable-floor.ts';
import { type Quantiles, quantiles } from './quantiles.ts';

const warmUps = 30;
const rounds = 200;
const sessionsAtOnce = 20;
const rateRounds = 4;
const commandsPerRound = 10;
const root = join(import.meta.dirname, '../..');

interface Figures {
  api: Quantiles;
  docker: Quantiles;
  rates: Rates;
  /** Milliseconds per command through the API, 20 at once, by process. */
  cpu: Record<string, number>;
}

/** Commands per second, 20 at once. */
interface Rates {
  api: number;
  docker: number;
  floor: number;
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
    const { addresses, pids } = cluster.connection;
    const { supervisor: _, ...services } = pids;
    const figures = await measure({ api, docker, temporal: addresses.temporal, pids: services }, project.id);
    const page = render(figures, await describeMachine(docker));
    console.log(page);
    await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
    await writeFile(join(root, 'docs/benchmarks/exec.md'), page);
  } finally {
    await cluster.stop();
  }
}

interface Ways {
  api: Api;
  docker: Docker;
  /** Address of the cluster's Temporal. */
  temporal: string;
  /** Of the cluster's processes, by name. */
  pids: Record<string, number>;
}

async function measure(ways: Ways, projectId: string): Promise<Figures> {
  const { api, docker } = ways;
  const session = await newSession(api, projectId);
  const container = await containerOf(docker, session);
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
    ...(await measureRates(ways, projectId)),
  };
}

async function measureRates(
  { api, docker, temporal, pids }: Ways,
  projectId: string,
): Promise<Pick<Figures, 'rates' | 'cpu'>> {
  const sessions = await Promise.all(Array.from({ length: sessionsAtOnce }, () => newSession(api, projectId)));
  const containers = await Promise.all(sessions.map((session) => containerOf(docker, session)));
  const inContainers = await Promise.all(containers.map(async (one) => (await one.inspect()).State.Pid));
  const processes = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, [pid]]));
  const cpuNow = () => cpuMsOf({ ...processes, containers: inContainers });
  const allStored = () => Promise.all(sessions.map((id) => api.get(`/v1/sessions/${id}/commands?limit=1`)));
  const floor = await startDurableFloor(temporal);
  try {
    const ways: Record<keyof Rates, (() => Promise<void>)[]> = {
      api: sessions.map((session) => () => echo(api, session)),
      floor: await floor.start(sessionsAtOnce),
      docker: containers.map((container) => () => execEcho(container)),
    };
    const ms: Rates = { api: 0, docker: 0, floor: 0 };
    const cpu: Record<string, number> = {};
    for (let round = -1; round < rateRounds; round++) {
      for (const [way, runs] of Object.entries(ways) as [keyof Rates, (() => Promise<void>)[]][]) {
        const before = await cpuNow();
        const tookMs = await timed(() => Promise.all(runs.map((run) => repeat(run, round < 0 ? 3 : commandsPerRound))));
        if (round < 0) continue;
        ms[way] += tookMs;
        if (way !== 'api') continue;
        await allStored();
        addDifference(cpu, before, await cpuNow());
      }
    }
    const commands = rateRounds * sessionsAtOnce * commandsPerRound;
    const perSecond = (tookMs: number) => commands / (tookMs / 1_000);
    return {
      rates: { api: perSecond(ms.api), docker: perSecond(ms.docker), floor: perSecond(ms.floor) },
      cpu: Object.fromEntries(Object.entries(cpu).map(([name, tookMs]) => [name, tookMs / commands])),
    };
  } finally {
    await floor.stop();
  }
}

async function repeat(run: () => Promise<void>, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await run();
}

async function containerOf(docker: Docker, session: string): Promise<Docker.Container> {
  const [info] = await docker.listContainers({ filters: { label: [`worktrail.session=${session}`] } });
  if (!info) throw new Error(`session ${session} has no container`);
  return docker.getContainer(info.Id);
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

function render({ api, docker, rates, cpu }: Figures, machine: string): string {
  const cpuTotal = Object.values(cpu).reduce((sum, ms) => sum + ms, 0);
  const cpuRows = Object.entries(cpu).map(([name, ms]) => `| ${name} | ${ms.toFixed(1)} |`);
  const row = (name: string, times: Quantiles) =>
    `| ${name} | ${times.p50.toFixed(1)} | ${times.p95.toFixed(1)} | ${times.max.toFixed(1)} |`;
  return `# A short command: \`npm run bench -- exec\`

Measured on ${machine}; ${rounds} rounds after ${warmUps} to warm up, both ways alternating on the same container.

| \`echo hi\` | p50 ms | p95 ms | max ms |
|---|---|---|---|
${row('through the API, with wait', api)}
${row("through Docker's exec API", docker)}
| **ratio API : Docker** | **${(api.p50 / docker.p50).toFixed(2)}** | **${(api.p95 / docker.p95).toFixed(2)}** | |

${sessionsAtOnce} sessions at once, each running one command after the other (${rateRounds} rounds of ${commandsPerRound}, the three ways in turn):

| \`echo hi\`, ${sessionsAtOnce} at once | commands per second | ratio API : this |
|---|---|---|
| **through the API, with wait** | **${rates.api.toFixed(0)}** | |
| Temporal alone: update, empty activity, result | ${rates.floor.toFixed(0)} | ${(rates.api / rates.floor).toFixed(2)} |
| through Docker's exec API | ${rates.docker.toFixed(0)} | ${(rates.api / rates.docker).toFixed(2)} |

| CPU per command through the API, 20 at once | ms |
|---|---|
${cpuRows.join('\n')}
| **all of these** | **${cpuTotal.toFixed(1)}** |

Each command through the API is durable before it answers: recorded by its workflow in Temporal, its output in the sandbox's journal
and in JetStream (fsynced). Docker's exec keeps nothing.

Not measured: network between client and gateway (both on this machine), a Temporal, NATS or ClickHouse cluster, commands with much
output, cold sessions, the cost of reading the history afterwards, and other load on the machine. Client, cluster and engine share the cores.
`;
}

await main();
