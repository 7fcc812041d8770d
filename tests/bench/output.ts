// Much output, and the first byte of little: through a session (to the journal, to a subscriber of its events, to ClickHouse) and, in the
// same run on the same container, through Docker's exec with its output attached.

import type Docker from 'dockerode';
import { followEvents } from '../e2e/api.ts';
import { type Bench, containerOf, dockerExec, newSession, runBench, timed } from './bench-cluster.ts';
import { type Quantiles, quantiles } from './quantiles.ts';

const bytes = 300 * 1024 * 1024;
const rounds = 3;
const firstByteRounds = 60;
const sessionsAtOnce = 20;
const bytesAtOnce = 10 * 1024 * 1024;

/** Lines of 100 bytes. */
function printing(size: number): string {
  return `yes ${'x'.repeat(99)} | head -c ${size}`;
}

/** MB per second, each with when it was reached since the command was asked for. */
interface Throughput {
  journal: number;
  subscriber: number;
  stored: number;
  docker: number;
}

interface Figures {
  throughput: Throughput;
  firstByte: { api: Quantiles; docker: Quantiles };
  atOnce: { api: number; docker: number };
}

async function measure(bench: Bench): Promise<Figures> {
  const session = await newSession(bench);
  const container = await containerOf(bench.docker, session);
  const firstByte = await measureFirstBytes(bench, session, container);
  const ms: Record<keyof Throughput, number[]> = { journal: [], subscriber: [], stored: [], docker: [] };
  for (let round = 0; round < rounds; round++) {
    const through = await printThroughSession(bench, session, bytes);
    ms.journal.push(through.journalMs);
    ms.subscriber.push(through.subscriberMs);
    ms.stored.push(through.storedMs);
    ms.docker.push(await timed(() => printThroughDocker(container, bytes)));
  }
  const rate = (times: readonly number[]) => megabytesPerSecond(bytes, quantiles(times).p50);
  const throughput = {
    journal: rate(ms.journal),
    subscriber: rate(ms.subscriber),
    stored: rate(ms.stored),
    docker: rate(ms.docker),
  };
  return { throughput, firstByte, atOnce: await measureAtOnce(bench) };
}

async function measureAtOnce(bench: Bench): Promise<Figures['atOnce']> {
  const sessions = await Promise.all(Array.from({ length: sessionsAtOnce }, () => newSession(bench)));
  const containers = await Promise.all(sessions.map((session) => containerOf(bench.docker, session)));
  const all = sessionsAtOnce * bytesAtOnce;
  const apiMs = await timed(() => Promise.all(sessions.map((one) => printThroughSession(bench, one, bytesAtOnce))));
  const dockerMs = await timed(() => Promise.all(containers.map((one) => printThroughDocker(one, bytesAtOnce))));
  return { api: megabytesPerSecond(all, apiMs), docker: megabytesPerSecond(all, dockerMs) };
}

function megabytesPerSecond(size: number, ms: number): number {
  return size / 1e6 / (ms / 1_000);
}

/** `journalMs` by the sandbox host's clock, from the command's start; the others from the request. */
async function printThroughSession(
  { api, apiKey }: Bench,
  session: string,
  size: number,
): Promise<{ journalMs: number; subscriberMs: number; storedMs: number }> {
  const { body } = await api.get(`/v1/sessions/${session}`);
  const stop = new AbortController();
  const startedAt = performance.now();
  const events = followEvents(api, apiKey, session, { after: body.lastCursor, signal: stop.signal });
  const command = await api.make(`/v1/sessions/${session}/commands`, { command: printing(size), stdin: '' });
  let received = 0;
  for await (const event of events) {
    if (event.commandId !== command.id) continue;
    if (event.type === 'command.output') received += Buffer.from(event.data['bytes'], 'base64').length;
    if (event.type === 'command.ended') break;
  }
  stop.abort();
  const subscriberMs = performance.now() - startedAt;
  if (received !== size) throw new Error(`${received} of ${size} bytes came`);
  // What is answered here has passed the flush barrier: it is in ClickHouse.
  const end = await api.bytes(`/v1/sessions/${session}/commands/${command.id}/output?offset=${size}`);
  if (end.headers.get('x-output-complete') !== 'true') throw new Error('the output is not complete');
  const storedMs = performance.now() - startedAt;
  const { body: ended } = await api.get(`/v1/sessions/${session}/commands/${command.id}`);
  return { journalMs: Date.parse(ended.endedAt) - Date.parse(ended.startedAt), subscriberMs, storedMs };
}

async function printThroughDocker(container: Docker.Container, size: number): Promise<void> {
  const received = await dockerExec(container, printing(size));
  if (received < size) throw new Error(`${received} of ${size} bytes came`);
}

async function measureFirstBytes(
  { api, apiKey }: Bench,
  session: string,
  container: Docker.Container,
): Promise<Figures['firstByte']> {
  const throughApi: number[] = [];
  const throughDocker: number[] = [];
  const { body } = await api.get(`/v1/sessions/${session}`);
  const stop = new AbortController();
  const events = followEvents(api, apiKey, session, { after: body.lastCursor, signal: stop.signal });
  for (let round = -5; round < firstByteRounds; round++) {
    const askedAt = performance.now();
    const asked = api.make(`/v1/sessions/${session}/commands`, { command: `echo ${round}`, stdin: '' });
    let apiMs = Number.NaN;
    for (let ended = false; !ended; ) {
      const { value: event, done } = await events.next();
      if (done) throw new Error('the event stream ended');
      if (event.type === 'command.output') apiMs = performance.now() - askedAt;
      ended = event.type === 'command.ended';
    }
    await asked;
    const dockerAskedAt = performance.now();
    let dockerMs = Number.NaN;
    await dockerExec(container, `echo ${round}`, () => {
      if (Number.isNaN(dockerMs)) dockerMs = performance.now() - dockerAskedAt;
    });
    if (round < 0) continue;
    throughApi.push(apiMs);
    throughDocker.push(dockerMs);
  }
  stop.abort();
  return { api: quantiles(throughApi), docker: quantiles(throughDocker) };
}

function render({ throughput, firstByte, atOnce }: Figures, machine: string): string {
  const row = (name: string, rate: number) =>
    `| ${name} | ${rate.toFixed(0)} | ${(rate / throughput.docker).toFixed(2)} |`;
  const times = (name: string, { p50, p95, max }: Quantiles) =>
    `| ${name} | ${p50.toFixed(1)} | ${p95.toFixed(1)} | ${max.toFixed(1)} |`;
  return `# Much output: \`npm run bench -- output\`

Measured on ${machine}. ${bytes / 1024 / 1024} MiB printed by one command, ${rounds} rounds, both ways in turn on the same container; medians.

| one session, until all of it is | MB/s | ratio to Docker's exec |
|---|---|---|
${row('in the journal (the command has ended)', throughput.journal)}
${row('at a subscriber of the events (JSON over SSE)', throughput.subscriber)}
${row('in ClickHouse, readable', throughput.stored)}
${row("at a client of Docker's exec, attached", throughput.docker)}

${sessionsAtOnce} sessions at once, ${bytesAtOnce / 1024 / 1024} MiB each, all followed until stored: **${atOnce.api.toFixed(0)} MB/s** together; by Docker's exec ${atOnce.docker.toFixed(0)} MB/s
(ratio ${(atOnce.api / atOnce.docker).toFixed(2)}).

First byte of an \`echo\`, from the request to the client, ${firstByteRounds} rounds in turn:

| first byte | p50 ms | p95 ms | max ms |
|---|---|---|---|
${times('as an event over SSE', firstByte.api)}
${times("through Docker's exec, attached", firstByte.docker)}
| **ratio** | **${(firstByte.api.p50 / firstByte.docker.p50).toFixed(2)}** | **${(firstByte.api.p95 / firstByte.docker.p95).toFixed(2)}** | |

Through a session each byte is written to the journal, to JetStream (fsynced) and to ClickHouse, and a command that prints faster than that is
held back. Docker's exec keeps nothing and the client only counts bytes. Not measured: a network between client and gateway, servers on other
machines, readers that are slow. Client, cluster and engine share the cores.
`;
}

await runBench('output', { files: 100 }, async (bench) => render(await measure(bench), bench.machine));
