// A session's life in seconds: created, hibernated, resumed, and forty created at once, beside `docker run` of the same image.

import type Docker from 'dockerode';
import { type Bench, containerOf, newSession, runBench, timed } from './bench-cluster.ts';
import { type Quantiles, quantiles } from './quantiles.ts';

const files = 5_000;
const rounds = 15;
const burst = 40;

interface Figures {
  cold: number;
  create: Quantiles;
  docker: Quantiles;
  hibernate: Quantiles;
  resume: Quantiles;
  burst: { api: Quantiles; apiMs: number; succeeded: number; docker: Quantiles; dockerMs: number };
}

async function measure(bench: Bench): Promise<Figures> {
  const cold = await timed(() => newSession(bench));
  const first = await newSession(bench);
  const { Image } = await (await containerOf(bench.docker, first)).inspect();
  const ms: Record<'create' | 'docker' | 'hibernate' | 'resume', number[]> = {
    create: [],
    docker: [],
    hibernate: [],
    resume: [],
  };
  for (let round = 0; round < rounds; round++) {
    let session = '';
    ms.create.push(await timed(async () => (session = await newSession(bench))));
    ms.docker.push(await timed(() => dockerRun(bench.docker, Image)));
    await echo(bench, session, 'echo changed > changed.txt');
    ms.hibernate.push(await timed(() => bench.api.make(`/v1/sessions/${session}/hibernate`)));
    ms.resume.push(await timed(() => echo(bench, session, 'cat changed.txt')));
    await bench.api.make(`/v1/sessions/${session}/archive`);
  }
  return {
    cold,
    create: quantiles(ms.create),
    docker: quantiles(ms.docker),
    hibernate: quantiles(ms.hibernate),
    resume: quantiles(ms.resume),
    burst: await measureBurst(bench, Image),
  };
}

async function measureBurst(bench: Bench, image: string): Promise<Figures['burst']> {
  const each: number[] = [];
  const apiMs = await timed(async () => {
    const attempts = Array.from({ length: burst }, async () => {
      each.push(await timed(async () => echo(bench, await newSession(bench), 'echo hi')));
    });
    const failures = (await Promise.allSettled(attempts)).filter(({ status }) => status === 'rejected');
    for (const failure of failures) console.error(failure);
  });
  const runs: number[] = [];
  const dockerMs = await timed(() =>
    Promise.all(
      Array.from({ length: burst }, async () => runs.push(await timed(() => dockerRun(bench.docker, image)))),
    ),
  );
  return { api: quantiles(each), apiMs, succeeded: each.length, docker: quantiles(runs), dockerMs };
}

/** A command that must succeed; a session that is hibernated is resumed by it. */
async function echo({ api }: Bench, session: string, command: string): Promise<void> {
  const ended = await api.make(`/v1/sessions/${session}/commands?waitSeconds=120`, { command, stdin: '' });
  if (ended.exitCode !== 0) throw new Error(JSON.stringify(ended));
}

/** `docker run --network none IMAGE echo hi` and its removal, by the API. */
async function dockerRun(docker: Docker, image: string): Promise<void> {
  const container = await docker.createContainer({
    Image: image,
    Cmd: ['echo', 'hi'],
    HostConfig: { NetworkMode: 'none' },
  });
  await container.start();
  const { StatusCode } = (await container.wait()) as { StatusCode: number };
  await container.remove({ force: true });
  if (StatusCode !== 0) throw new Error(`docker run ended with ${StatusCode}`);
}

function render(figures: Figures, machine: string): string {
  const row = (name: string, { p50, p95, max }: Quantiles) =>
    `| ${name} | ${p50.toFixed(0)} | ${p95.toFixed(0)} | ${max.toFixed(0)} | ${(p50 / figures.docker.p50).toFixed(2)} |`;
  const { burst: all } = figures;
  return `# A session's life: \`npm run bench -- lifecycle\`

Measured on ${machine}. A repository of ${files.toLocaleString('en')} files, no setup commands; ${rounds} rounds, each step in turn.

| step | p50 ms | p95 ms | max ms | ratio to \`docker run\` |
|---|---|---|---|---|
${row('create, until ready (checkout of all files)', figures.create)}
${row('hibernate (checkpoint and archive stored, container gone)', figures.hibernate)}
${row('resume on its own host, up to the end of the next command', figures.resume)}
${row('`docker run` of the same image: `echo hi`, removed', figures.docker)}

The very first session on the host, which makes the mirror: ${figures.cold.toFixed(0)} ms.

${burst} sessions at once, each created and running one command: ${all.succeeded} of ${burst} succeeded, p50 ${all.api.p50.toFixed(0)} ms, p95 ${all.api.p95.toFixed(0)} ms, all in ${all.apiMs.toFixed(0)} ms.
${burst} \`docker run\` at once: p50 ${all.docker.p50.toFixed(0)} ms, p95 ${all.docker.p95.toFixed(0)} ms, all in ${all.dockerMs.toFixed(0)} ms (ratio ${(all.apiMs / all.dockerMs).toFixed(2)}).

\`docker run\` keeps nothing and checks nothing out. Not measured: setup commands, a repository that has to be fetched over a network, resuming
on another host, a machine under other load. Client, cluster and engine share the cores.
`;
}

await runBench('lifecycle', { files }, async (bench) => render(await measure(bench), bench.machine));
