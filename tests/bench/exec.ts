// A short command, in one run and alternating, so that all ways see the same machine: through the API with wait; through Docker's
// exec API on the same container; and, for the rate of 20 sessions at once, through Temporal alone, which is the limit of what is
// durable. Of the commands through the API also the CPU time, by process.

import type Docker from 'dockerode';
import type { Api } from '../e2e/api.ts';
import { type Bench, containerOf, dockerExec, newSession, runBench, timed } from './bench-cluster.ts';
import { addDifference, cpuMsOf } from './cpu-time.ts';
import { startDurableFloor } from './durable-floor.ts';
import { type Quantiles, quantiles } from './quantiles.ts';

const warmUps = 30;
const rounds = 200;
const sessionsAtOnce = 20;
const rateRounds = 4;
const commandsPerRound = 10;

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

async function measure(bench: Bench): Promise<Figures> {
  const session = await newSession(bench);
  const container = await containerOf(bench.docker, session);
  const throughApi: number[] = [];
  const throughDocker: number[] = [];
  for (let round = -warmUps; round < rounds; round++) {
    const apiMs = await timed(() => echo(bench.api, session));
    const dockerMs = await timed(() => execEcho(container));
    if (round >= 0) {
      throughApi.push(apiMs);
      throughDocker.push(dockerMs);
    }
  }
  return { api: quantiles(throughApi), docker: quantiles(throughDocker), ...(await measureRates(bench)) };
}

async function measureRates(bench: Bench): Promise<Pick<Figures, 'rates' | 'cpu'>> {
  const { api, docker, temporal, pids } = bench;
  const sessions = await Promise.all(Array.from({ length: sessionsAtOnce }, () => newSession(bench)));
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

async function echo(api: Api, session: string): Promise<void> {
  const path = `/v1/sessions/${session}/commands?waitSeconds=30`;
  const command = await api.make(path, { command: 'echo hi', stdin: '' });
  if (command.output?.text !== 'hi\n' || command.exitCode !== 0) throw new Error(JSON.stringify(command));
}

async function execEcho(container: Docker.Container): Promise<void> {
  let said = '';
  await dockerExec(container, 'echo hi', (chunk) => (said += chunk.toString()));
  if (!said.includes('hi')) throw new Error(`exec said ${JSON.stringify(said)}`);
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

await runBench('exec', { files: 100 }, async (bench) => render(await measure(bench), bench.machine));
