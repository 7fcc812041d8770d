// The trace-store alone: how fast it drains a JetStream that was filled before, how it answers at one million events and at many, also while
// it drains, and what the engine alone does with the same rows.
//
//   npm run bench -- trace [--events N] [--drain N]

import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { makeScratch } from '@worktrail/testing/scratch';
import { timed } from './bench-cluster.ts';
import { type Quantiles, quantiles } from './quantiles.ts';
import { type Ceiling, measureCeiling } from './trace-ceiling.ts';
import { createTraceData, type TraceData } from './trace-data.ts';
import { type Drain, measureDrain } from './trace-ingest.ts';
import { type Answers, askQuestions, pageQuestions } from './trace-questions.ts';
import { openTraceServers, type TraceServers } from './trace-servers.ts';

// Of what is measured nothing is this process's own collections of garbage: a page is bytes that are garbage a moment later.
setFlagsFromString('--heap-growing-percent=200');

const root = join(import.meta.dirname, '../..');
const eventsDefault = 10_000_000;
/** As `npm start` has it. */
const partitions = 1;
/** Of the events' own times. */
const spanMs = 30 * 86_400_000;
const eventsAtOnce = 200_000;

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { events: { type: 'string' }, drain: { type: 'string', default: '1000000' } },
});
const events = Number(values.events ?? eventsDefault);
const drainEvents = Math.min(events, Number(values.drain));
const steps = [...new Set([Math.min(1_000_000, events), events])];

interface Figures {
  drain: Drain;
  /** By how many events there were. */
  answers: ReadonlyMap<number, { answers: Answers; bytesPerEvent: number }>;
  whileDraining: { drain: Drain; page: Quantiles };
  ceiling: Ceiling;
}

async function measure(servers: TraceServers, directory: string): Promise<Figures> {
  const data = createTraceData(partitions, spanMs / events);
  const drain = await measureDrain(servers, data, drainEvents);
  tell('drain', drain);
  let stored = drainEvents;
  const answers = new Map<number, { answers: Answers; bytesPerEvent: number }>();
  for (const step of steps) {
    stored = await fill(servers, data, stored, step);
    const { diskBytes } = await servers.trace.getStatus({});
    answers.set(step, { answers: await askQuestions(servers.trace, data), bytesPerEvent: Number(diskBytes) / stored });
    tell(`${stored} events`, {
      bytesPerEvent: Number(diskBytes) / stored,
      ...Object.fromEntries(answers.get(step)!.answers),
    });
  }
  const whileDraining = await measureWhileDraining(servers, data);
  tell('pages while draining', whileDraining);
  await servers.stop();
  const ceiling = await measureCeiling(
    join(directory, 'ceiling'),
    createTraceData(partitions, spanMs / events),
    events,
  );
  return { drain, answers, whileDraining, ceiling };
}

/** As they come: a run takes long, and one that fails has told so far. */
function tell(what: string, figures: object): void {
  process.stderr.write(`${what}: ${JSON.stringify(figures)}\n`);
}

async function fill(servers: TraceServers, data: TraceData, from: number, to: number): Promise<number> {
  for (let count = from; count < to; count += eventsAtOnce) {
    await Promise.all([servers.publish(data, Math.min(eventsAtOnce, to - count)), servers.untilStored()]);
  }
  await servers.untilStored();
  await servers.untilAtRest();
  return Math.max(from, to);
}

async function measureWhileDraining(servers: TraceServers, data: TraceData): Promise<Figures['whileDraining']> {
  const pages = [...(await pageQuestions(servers.trace, data)).values()];
  await servers.stop();
  let isOver = false;
  const draining = measureDrain(servers, data, drainEvents).finally(() => (isOver = true));
  const ms: number[] = [];
  for (let round = 0; !isOver; round++) {
    // Before it is up there is no answer.
    const took = await timed(pages[round % pages.length]!).catch(() => undefined);
    if (took !== undefined) ms.push(took);
    else await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { drain: await draining, page: quantiles(ms) };
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
const thousands = (value: number) => Math.round(value).toLocaleString('en');

function render({ drain, answers, whileDraining, ceiling }: Figures, machine: string): string {
  const sizes = [...answers.keys()];
  const [least, most] = [answers.get(sizes[0]!)!, answers.get(sizes.at(-1)!)!];
  const row = ([name, first]: [string, Quantiles]) => {
    const last = most.answers.get(name)!;
    const cells = [first.p50, first.p95, last.p50, last.p95, last.max].map((value) => value.toFixed(1));
    return `| ${name} | ${cells.join(' | ')} | ${(last.p95 / first.p95).toFixed(1)} |`;
  };
  const rate = ({ eventsPerSecond, outputPerSecond, cpuMicros }: Drain | Ceiling) =>
    `${thousands(eventsPerSecond)} | ${megabytes(outputPerSecond)} | ${cpuMicros.toFixed(1)}`;
  const ms = ({ p50, p95, max }: Quantiles) => [p50, p95, max].map((value) => value.toFixed(1)).join(' | ');
  return `# The trace-store: \`npm run bench -- trace\`

Measured on ${machine}. The trace-store as a process of its own with the embedded ClickHouse, and a nats-server, on the same cores; one partition. ${thousands(drain.outputBytes / drain.events)} bytes
of output for each event: lines of this repository's sources.

| ${thousands(drain.events)} events, from a filled JetStream | events/s | MB/s of indexed output | CPU µs an event |
|---|---|---|---|
| into an empty store | ${rate(drain)} |
| into ${thousands(sizes.at(-1)!)} events, with pages being asked | ${rate(whileDraining.drain)} |
| the same rows into the same tables, encoded beforehand, by chdb alone (the ceiling; ${thousands(events)} events) | ${rate(ceiling)} |

The rates are from the start of the process. Highest memory of the trace-store: ${drain.memoryMib.toFixed(0)} MiB, and ${whileDraining.drain.memoryMib.toFixed(0)} MiB with pages being asked (limit: 1,431 MiB). On disk: ${least.bytesPerEvent.toFixed(0)} bytes an event at ${thousands(sizes[0]!)} events, ${most.bytesPerEvent.toFixed(0)} at
${thousands(sizes.at(-1)!)}, output and its index included.

| asked of ${sizes.map(thousands).join(' and of ')} events, ms | p50 | p95 | p50 | p95 | max | growth of p95 |
|---|---|---|---|---|---|---|
${[...least.answers].map(row).join('\n')}

| | p50 | p95 | max |
|---|---|---|---|
| a page of 200 events while it drains | ${ms(whileDraining.page)} |
${[...ceiling.answers].map(([name, answer]) => `| ${name}, by chdb alone, ${thousands(events)} events | ${ms(answer)} |`).join('\n')}

Asked through the trace-store's own interface, one question at a time, but for those while it drains of a store at rest, of which nothing is being merged; the gateway is not in between. Published without waiting for the disk. Not measured: a ClickHouse server.
`;
}

await using scratch = await makeScratch('bench-trace');
const servers = await openTraceServers(scratch.path, partitions);
try {
  const commit = execFileSync('git', ['-C', root, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${cpus().length} cores at a load of ${loadavg()[0]!.toFixed(1)}, Node ${process.version}, commit ${commit}`;
  const page = render(await measure(servers, scratch.path), machine);
  console.log(page);
  await mkdir(join(root, 'docs/benchmarks'), { recursive: true });
  if (events === eventsDefault) await writeFile(join(root, 'docs/benchmarks/trace.md'), page);
} finally {
  await servers.close();
}
