// Commands that print without end: `yes` in ten sessions for a minute, each followed by a client that reads and one that does not.
// What the resident memory of each process grows by, against a bound; that everything printed is in the history afterwards.
//
//   npm run bench -- memory [SECONDS]

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeScratch } from '@worktrail/testing/scratch';
import { type Cluster, startCluster } from '../../deploy/local/src/cluster.ts';
import { PID_NAMES } from '../../deploy/local/src/connection-file.ts';
import { createStyle, createTerminalReport } from '../../deploy/local/src/terminal.ts';
import { type Api, createApi } from '../e2e/api.ts';
import { makeRepository } from '../e2e/repository.ts';

const sessionsAtOnce = 10;
const printSeconds = Number(process.argv[2] ?? 60);
const settleSeconds = 15;
const drainMinutesMax = 10;
const archiveMsMax = 30_000;
const root = join(import.meta.dirname, '../..');

/** MiB by which the highest value may be above the one before the commands started, and above that of the first quarter of a minute. */
const bounds = {
  gateway: { growth: 450, late: 250 },
  orchestrator: { growth: 150, late: 80 },
  'sandbox-runner': { growth: 300, late: 150 },
  'trace-store': { growth: 1_000, late: 600 },
} as const;

type Service = keyof typeof bounds;
const services = Object.keys(bounds) as Service[];

interface Sample {
  seconds: number;
  mib: Record<Service, number>;
}

async function main(): Promise<void> {
  await using scratch = await makeScratch('memory');
  const repositories = join(scratch.path, 'repositories');
  const repository = await makeRepository(join(repositories, 'bench'), 20);
  const cluster = await startCluster({
    stateDirectory: join(scratch.path, 'state'),
    toolsDirectory: process.env['WORKTRAIL_TOOLS_DIR'] ?? join(root, '.worktrail/tools'),
    repositoryRoots: [repositories],
    onProgress: createTerminalReport((text) => process.stderr.write(text), createStyle(process.stderr.isTTY)),
  });
  try {
    const api = createApi(cluster.connection.apiUrl, cluster.connection.apiKey);
    const project = await api.make('/v1/projects', { name: 'memory', repository: { url: repository.path } });
    const figures = await measure(cluster, api, project.id);
    const { page, exceeded } = render(figures);
    console.log(page);
    await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
    if (printSeconds === 60) await writeFile(join(root, 'docs/benchmarks/memory.md'), page);
    if (exceeded.length > 0) throw new Error(`above its bound: ${exceeded.join(', ')}`);
  } finally {
    await cluster.stop();
  }
}

interface Figures {
  before: Sample;
  samples: Sample[];
  printedBytes: number;
  drainedSeconds: number;
}

async function measure(cluster: Cluster, api: Api, projectId: string): Promise<Figures> {
  const make = () => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=120`, {});
  const sessions: { id: string }[] = await Promise.all(Array.from({ length: sessionsAtOnce }, make));
  try {
    return await measureIn(cluster, api, sessions);
  } finally {
    // Their volumes go with them. Where that takes long the cluster is stopped without.
    const archived = Promise.allSettled(sessions.map(({ id }) => api.post(`/v1/sessions/${id}/archive`)));
    await Promise.race([archived, delay(archiveMsMax, undefined, { ref: false })]);
  }
}

async function measureIn(cluster: Cluster, api: Api, sessions: readonly { id: string }[]): Promise<Figures> {
  const over = new AbortController();
  const followers = sessions.flatMap(({ id }) => [
    follow(cluster, id, over.signal, true),
    follow(cluster, id, over.signal, false),
  ]);
  const before = await sample(cluster, 0);
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1_000;
  const command = { command: `timeout ${printSeconds} yes`, stdin: '', background: true };
  const commands = await Promise.all(
    sessions.map(async ({ id }) => ({ id, command: await makeCommand(api, id, command) })),
  );
  const ended = Promise.all(commands.map(({ id, command: { id: commandId } }) => whenStored(api, id, commandId)));
  let done: number[] | undefined;
  let failure: unknown;
  const noted = ended.then(
    (bytes) => {
      done = bytes;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  const samples: Sample[] = [];
  while (done === undefined && failure === undefined && seconds() < printSeconds + drainMinutesMax * 60) {
    await Promise.race([delay(1_000), noted]);
    samples.push(await sample(cluster, seconds()));
    if (samples.length % 10 === 0) process.stderr.write(`${JSON.stringify(samples.at(-1))}\n`);
  }
  over.abort();
  await Promise.all(followers);
  if (failure !== undefined) throw failure;
  if (done === undefined) throw new Error(`the output is not in the history ${drainMinutesMax} minutes later`);
  const printedBytes = done.reduce((sum, bytes) => sum + bytes, 0);
  return { before, samples, printedBytes, drainedSeconds: Math.max(0, seconds() - printSeconds) };
}

/** The machine is busy: an answer that may be tried again is. */
async function makeCommand(api: Api, sessionId: string, command: object): Promise<{ id: string }> {
  const key = { 'idempotency-key': `memory-${sessionId}` };
  for (let tries = 1; ; tries += 1) {
    const { status, body } = await api.post(`/v1/sessions/${sessionId}/commands`, command, key);
    if (status < 300) return body;
    if (status < 500 || tries === 20) throw new Error(`a command was not taken: ${status} ${JSON.stringify(body)}`);
    await delay(500);
  }
}

/** Resolves with its bytes once the command has ended and its last byte can be read. */
async function whenStored(api: Api, sessionId: string, commandId: string): Promise<number> {
  const path = `/v1/sessions/${sessionId}/commands/${commandId}`;
  for (;;) {
    const { body } = await api.get(path);
    if (typeof body.outcome === 'string') {
      if (body.exitCode !== 124) throw new Error(`a command ended otherwise: ${JSON.stringify(body)}`);
      const bytes: number = body.stdoutBytes;
      const last = await api.bytes(`${path}/output?offset=${bytes - 2}`);
      if (last.bytes.toString() !== 'y\n' || last.headers.get('x-output-complete') !== 'true')
        throw new Error(`the end of the output is ${JSON.stringify(last.bytes.toString())}`);
      if (last.headers.has('x-gaps')) throw new Error(`the output has gaps: ${last.headers.get('x-gaps')}`);
      return bytes;
    }
    await delay(1_000);
  }
}

/** A client of the session's events, which comes back where it was let go of. One that does not read leaves the gateway with what its socket does not take. */
async function follow(cluster: Cluster, sessionId: string, signal: AbortSignal, reads: boolean): Promise<void> {
  const { apiUrl, apiKey } = cluster.connection;
  const headers = { authorization: `Bearer ${apiKey}`, accept: 'text/event-stream' };
  while (!signal.aborted) {
    try {
      const response = await fetch(`${apiUrl}/v1/sessions/${sessionId}/events`, { headers, signal });
      const reader = response.body!.getReader();
      if (!reads) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      while (!(await reader.read()).done);
    } catch {
      await delay(500);
    }
  }
}

async function sample({ connection }: Cluster, seconds: number): Promise<Sample> {
  const read = async (service: Service) => {
    return [service, await residentMib(connection.pids[PID_NAMES[service]] ?? 0)] as const;
  };
  return { seconds, mib: Object.fromEntries(await Promise.all(services.map(read))) as Sample['mib'] };
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

function render({ before, samples, printedBytes, drainedSeconds }: Figures): { page: string; exceeded: Service[] } {
  const highest = (service: Service, from: number, to: number) =>
    Math.max(...samples.filter(({ seconds }) => seconds >= from && seconds < to).map(({ mib }) => mib[service]));
  const exceeded: Service[] = [];
  const rows = services.map((service) => {
    const start = before.mib[service];
    const early = highest(service, 0, settleSeconds);
    const most = highest(service, 0, Infinity);
    const { growth, late } = bounds[service];
    // Not a number is not within a bound.
    if (!(most - start <= growth && most - early <= late)) exceeded.push(service);
    const cells = [start, early, most, most - start].map((mib) => mib.toFixed(0));
    return `| ${service} | ${cells.join(' | ')} | ${growth} | ${(most - early).toFixed(0)} | ${late} |`;
  });
  const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
  const page = `# Memory while commands print without end: \`npm run bench -- memory\`

\`yes\` in ${sessionsAtOnce} sessions for ${printSeconds} s; each session has a client that follows its events and one that is connected and does not read.
${cpus().length} cores, shared by all; Node ${process.version}.

| resident, MiB | before | highest in ${settleSeconds} s | highest at all | growth | bound | after the first ${settleSeconds} s | bound |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

${mb(printedBytes)} MB were printed (${mb(printedBytes / printSeconds)} MB/s): more than can be stored waits in the commands, by back-pressure. All of it was in the
history, without a gap, ${drainedSeconds.toFixed(1)} s after the minute.

Not measured: memory of Temporal, nats-server and the engine, which are not ours; runs of hours.
`;
  return { page, exceeded };
}

await main();
