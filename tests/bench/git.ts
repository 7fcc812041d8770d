// What git does for a session, at several sizes of repository: checkpoint, diff, revert, forks, a new session. Each beside plain git in a
// clone of the same repository on the host, which is what the same change of files costs at least, alternating in one run.
//
//   npm run bench -- git [SIZE…]     a size is a number of files, or "real"; the page is written where none is named

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bench, newSession, runBench, timed } from './bench-cluster.ts';
import { addDifference, cpuMsOf } from './cpu-time.ts';
import { containerOf } from './bench-cluster.ts';
import { type BenchRepository, git, makeGeneratedRepository, makeRealRepository } from './git-repositories.ts';
import { type Quantiles, quantiles } from './quantiles.ts';

const generated = [100, 1_000, 5_000, 30_000];
const named = process.argv.slice(2);
const sizes = named.length > 0 ? named : [...generated.map(String), 'real'];
const warmUps = 3;
const rounds = { checkpoint: 20, diff: 10, revert: 8, fork: 3, create: 5 };
const forksAtOnce = 16;
const manyFiles = 1_000;
const archiveAttemptsMax = 10;

const steps = {
  create: 'create from the warm mirror, up to ready',
  checkpoint: 'checkpoint after a change of one file',
  checkpointMany: 'checkpoint after a change of 1,000 files',
  diff: 'diff from base to head, one file',
  diffMany: 'diff between checkpoints, 1,000 files',
  revert: 'revert of one file (checkpoint, files, checkpoint)',
  fork: 'sixteen forks made by one request',
  firstCommand: 'first command in one fork of sixteen, all at once',
  firstCommands: 'the same until the last of them has ended',
} as const;
type Step = keyof typeof steps;

const peers: Partial<Record<Step, string>> = {
  create: '`git clone --shared`',
  checkpoint: '`git add -A`, `git commit`',
  checkpointMany: '`git add -A`, `git commit`',
  diff: '`git diff` twice, as list and as patch',
  diffMany: '`git diff` twice, as list and as patch',
  revert: '`git commit` of all, `git reset --hard`, `git commit`',
  firstCommands: 'sixteen `git clone --shared` at once',
};

interface Timed {
  ours: number[];
  peer: number[];
}

interface Figures {
  repository: BenchRepository;
  times: Record<Step, Timed>;
  /** CPU milliseconds of one checkpoint after a change of one file, by process. */
  cpu: Record<string, number>;
}

async function measure(bench: Bench): Promise<string> {
  const all: Figures[] = [];
  for (const size of sizes) {
    const directory = join(bench.repositories, `git-${size}`);
    const repository =
      size === 'real' ? await makeRealRepository(directory) : await makeGeneratedRepository(directory, Number(size));
    const project = await bench.api.make('/v1/projects', { name: `git ${size}`, repository: { url: directory } });
    all.push(await measureRepository({ ...bench, projectId: project.id }, repository));
    console.log(render([all.at(-1)!], bench.machine));
  }
  return render(all, bench.machine);
}

async function measureRepository(bench: Bench, repository: BenchRepository): Promise<Figures> {
  const times = Object.fromEntries(
    Object.keys(steps).map((step) => [step, { ours: [], peer: [] }]),
  ) as unknown as Record<Step, Timed>;
  const clone = `${repository.path}.clone`;
  await cloneShared(repository.path, clone);
  const session = await newSession(bench);
  await run(bench, session, 'true');
  await measureCreation(bench, clone, times);
  const cpu = await measureCheckpoints(bench, session, repository, clone, times);
  await measureRevert(bench, session, repository, clone, times);
  await measureForks(bench, session, clone, times);
  await measureMany(bench, session, clone, times);
  await archive(bench, session);
  return { repository, times, cpu };
}

async function measureCreation(bench: Bench, clone: string, { create }: Figures['times']): Promise<void> {
  for (let round = 0; round < rounds.create; round++) {
    let made = '';
    create.ours.push(await timed(async () => (made = await newSession(bench))));
    await archive(bench, made);
    create.peer.push(await timed(() => cloneShared(clone, `${clone}-${round}`)));
    await rm(`${clone}-${round}`, { recursive: true });
  }
}

async function measureCheckpoints(
  bench: Bench,
  session: string,
  { changing }: BenchRepository,
  clone: string,
  { checkpoint, diff }: Figures['times'],
): Promise<Record<string, number>> {
  const { docker, pids, api } = bench;
  const container = (await (await containerOf(docker, session)).inspect()).State.Pid;
  const processes = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, [pid]]));
  const cpuNow = () => cpuMsOf({ ...processes, container: [container] });
  const cpu: Record<string, number> = {};
  for (let round = -warmUps; round < rounds.checkpoint; round++) {
    await run(bench, session, `echo ${round} >> ${changing}`);
    const before = await cpuNow();
    const ours = await timed(() => api.make(`/v1/sessions/${session}/checkpoints`));
    const after = await cpuNow();
    await writeFile(join(clone, changing), `${round}\n`, { flag: 'a' });
    const peer = await timed(() => commitAll(clone));
    if (round < 0) continue;
    addDifference(cpu, before, after);
    checkpoint.ours.push(ours);
    checkpoint.peer.push(peer);
  }
  for (let round = 0; round < rounds.diff; round++) {
    diff.ours.push(await timed(() => readDiff(bench, session, 'base', 'head', 1)));
    diff.peer.push(await timed(() => plainDiff(clone, `HEAD~${warmUps + rounds.checkpoint}`, 'HEAD')));
  }
  return Object.fromEntries(Object.entries(cpu).map(([name, ms]) => [name, ms / rounds.checkpoint]));
}

/** Back by one file each time: what was there is kept by a checkpoint before, what is made by one after. */
async function measureRevert(
  bench: Bench,
  session: string,
  { changing }: BenchRepository,
  clone: string,
  { revert }: Figures['times'],
): Promise<void> {
  const { api } = bench;
  const to = await api.make(`/v1/sessions/${session}/checkpoints`);
  const commit = (await git(clone, 'rev-parse', 'HEAD')).trim();
  for (let round = 0; round < rounds.revert; round++) {
    await run(bench, session, `echo ${round} >> ${changing}`);
    revert.ours.push(
      await timed(() => api.make(`/v1/sessions/${session}/revert?waitSeconds=60`, { checkpointId: to.id })),
    );
    await writeFile(join(clone, changing), `${round}\n`, { flag: 'a' });
    revert.peer.push(
      await timed(async () => {
        await commitAll(clone);
        await git(clone, 'reset', '-q', '--hard', commit);
        await git(clone, 'commit', '-q', '--allow-empty', '-m', 'reverted');
      }),
    );
  }
}

async function measureForks(bench: Bench, session: string, clone: string, times: Figures['times']): Promise<void> {
  const { api } = bench;
  let forks: { id: string }[] = [];
  for (let round = 0; round < rounds.fork; round++) {
    await archiveAll(bench, forks);
    const path = `/v1/sessions/${session}/fork`;
    times.fork.ours.push(await timed(async () => (forks = (await api.make(path, { count: forksAtOnce })).items)));
  }
  const first = (id: string) => async () => times.firstCommand.ours.push(await timed(() => run(bench, id, 'true')));
  times.firstCommands.ours.push(await timed(() => Promise.all(forks.map(({ id }) => first(id)()))));
  await archiveAll(bench, forks);
  const places = forks.map((_, index) => `${clone}-${index}`);
  times.firstCommands.peer.push(await timed(() => Promise.all(places.map((place) => cloneShared(clone, place)))));
  for (const place of places) await rm(place, { recursive: true });
}

async function measureMany(bench: Bench, session: string, clone: string, times: Figures['times']): Promise<void> {
  const { api } = bench;
  const names = (await git(clone, 'ls-files')).trimEnd().split('\n').slice(0, manyFiles);
  const change = `git ls-files | head -n ${manyFiles} | while IFS= read -r f; do echo changed >> "$f"; done`;
  const from = await api.make(`/v1/sessions/${session}/checkpoints`);
  await run(bench, session, change);
  let to = { id: '' };
  const path = `/v1/sessions/${session}/checkpoints`;
  times.checkpointMany.ours.push(await timed(async () => (to = await api.make(path))));
  for (const name of names) await writeFile(join(clone, name), 'changed\n', { flag: 'a' });
  times.checkpointMany.peer.push(await timed(() => commitAll(clone)));
  for (let round = 0; round < rounds.diff; round++) {
    times.diffMany.ours.push(await timed(() => readDiff(bench, session, from.id, to.id, names.length)));
    times.diffMany.peer.push(await timed(() => plainDiff(clone, 'HEAD~1', 'HEAD')));
  }
}

async function cloneShared(from: string, to: string): Promise<void> {
  await git(join(from, '..'), 'clone', '-q', '--shared', from, to);
}

async function commitAll(clone: string): Promise<void> {
  await git(clone, 'add', '-A');
  await git(clone, 'commit', '-q', '-m', 'change');
}

async function plainDiff(clone: string, from: string, to: string): Promise<void> {
  await git(clone, 'diff', '-M', '--raw', '--numstat', from, to);
  await git(clone, 'diff', '-M', '--binary', '--full-index', from, to);
}

async function readDiff({ api }: Bench, session: string, from: string, to: string, files: number): Promise<void> {
  const answer = await api.get(`/v1/sessions/${session}/diff?from=${from}&to=${to}`);
  if (answer.status !== 200 || answer.body.files.length !== files) throw new Error(`a diff answered ${answer.status}`);
}

/** A command that must succeed; a session that sleeps is woken by it. */
async function run({ api }: Bench, session: string, command: string): Promise<void> {
  const ended = await api.make(`/v1/sessions/${session}/commands?waitSeconds=300`, { command, stdin: '' });
  if (ended.exitCode !== 0) throw new Error(JSON.stringify(ended));
}

/** Asked again, under the same key, where it takes longer than a request waits. */
async function archive({ api }: Bench, session: string): Promise<void> {
  const headers = { 'idempotency-key': `archive-${session}` };
  for (let asked = 1; ; asked++) {
    const { status, body } = await api.post(`/v1/sessions/${session}/archive`, {}, headers);
    if (status < 300) return;
    if (body.code !== 'still_running' || asked === archiveAttemptsMax) throw new Error(JSON.stringify(body));
  }
}

async function archiveAll(bench: Bench, sessions: { id: string }[]): Promise<void> {
  for (const { id } of sessions) await archive(bench, id);
}

function render(all: Figures[], machine: string): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  const head = ['p50 ms (ratio to plain git)', ...all.map(({ repository }) => repository.name)];
  const cell = ({ ours, peer }: Timed) => {
    const p50 = quantiles(ours).p50;
    return peer.length === 0 ? p50.toFixed(0) : `${p50.toFixed(0)} (${(p50 / quantiles(peer).p50).toFixed(1)})`;
  };
  const rows = Object.entries(steps).map(([step, what]) =>
    line([what, ...all.map(({ times }) => cell(times[step as Step]))]),
  );
  const peerRows = Object.entries(peers).map(([step, what]) =>
    line([what, ...all.map(({ times }) => quantiles(times[step as Step].peer).p50.toFixed(0))]),
  );
  const spread = (name: string, times: Quantiles) =>
    line([name, times.p50.toFixed(0), times.p95.toFixed(0), times.max.toFixed(0)]);
  const processes = Object.keys(all[0]!.cpu);
  return `# Git of a session: \`npm run bench -- git\`

Measured on ${machine}, ${new Date().toISOString().slice(0, 10)}. Every step through the API, until it is answered.

${line(head)}
${line(head.map(() => '---'))}
${rows.join('\n')}

Beside each, alternating with it: plain git on the host, in a clone that borrows the same repository's objects. It keeps nothing apart from the host, isolates
nothing and publishes nothing: a floor, not an alternative.

${line(['plain git, p50 ms', ...head.slice(1)])}
${line(head.map(() => '---'))}
${peerRows.join('\n')}

| checkpoint after a change of one file, ${rounds.checkpoint} of each | p50 ms | p95 ms | max ms |
|---|---|---|---|
${all.map(({ repository, times }) => spread(repository.name, quantiles(times.checkpoint.ours))).join('\n')}

${line(['CPU of one such checkpoint, ms', ...head.slice(1)])}
${line(head.map(() => '---'))}
${processes.map((name) => line([name, ...all.map(({ cpu }) => (cpu[name] ?? 0).toFixed(0))])).join('\n')}

${all.map(({ repository: { name, files, bytes } }) => `- ${name}: ${files.toLocaleString('en')} files, ${(bytes / 1024 ** 2).toFixed(1)} MiB.`).join('\n')}
"real" are the sources of some of this project's own dependencies, committed as they are; the others are generated: small text files in 40 directories.

A checkpoint is answered once it is a bundle in the artifact store (NATS, fsynced) and stands in the history. A revert is two checkpoints and what lies between. A fork is
made with its first command's files not yet there. Not measured: long histories, large and binary files, nested repositories, a mirror that has to be fetched over a
network, and other load on the machine. Client, cluster and engine share the cores.
`;
}

await runBench('git', { files: 20, page: named.length === 0 }, measure);
