// The index of a repository of 5,000 source files: made, brought to a commit that changes one of them, and searched, all through the API;
// `git grep` and ripgrep over the same repository beside it.
//
//   npm run bench -- context [FILES]

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runBench, timed } from './bench-cluster.ts';
import type { Api } from '../e2e/api.ts';
import { makeRepository } from '../e2e/repository.ts';
import { type Quantiles, quantiles } from './quantiles.ts';
import { createSourceRepository, writeSourceFiles } from './source-repository.ts';

const run = promisify(execFile);
const files = Number(process.argv[2] ?? 5_000);
const changes = 10;
const searches = 100;
const buildMsMax = 600_000;
const source = createSourceRepository(files);

interface Bench {
  api: Api;
  projectId: string;
  /** Upstream, with a work tree. */
  repository: string;
}

interface Figures {
  contentBytes: number;
  buildMs: number;
  change: Quantiles;
  symbol: Quantiles;
  words: Quantiles;
  misspelt: Quantiles;
  grep: Quantiles;
  ripgrep: Quantiles | undefined;
  ripgrepVersion: string;
  /** MiB of the runner: before, at its highest while it indexed, after the searches. */
  memory: { before: number; most: number; after: number };
}

async function measure(bench: Bench, pid: number): Promise<Figures> {
  // The mirror is there before the time starts.
  await search(bench, 'anything', { ref: await commitOf(bench, 'HEAD~1') });
  const before = await residentMib(pid);
  let most = before;
  const watch = setInterval(() => {
    void residentMib(pid).then((mib) => (most = Math.max(most, mib)));
  }, 100);
  const head = await commitOf(bench, 'HEAD');
  const buildMs = await timed(() => untilComplete(bench, head));
  clearInterval(watch);
  const change: number[] = [];
  for (let number = 0; number < changes; number++) {
    const commit = await changeOneFile(bench, number);
    change.push(await timed(() => untilComplete(bench, commit)));
  }
  const ref = await commitOf(bench, 'HEAD');
  const names = Array.from({ length: searches }, (_, index) => source.names[(index * 97) % source.names.length]!);
  const each = async (action: (name: string, index: number) => Promise<unknown>) => {
    const ms: number[] = [];
    for (const [index, name] of names.entries()) ms.push(await timed(() => action(name, index)));
    return quantiles(ms);
  };
  const found = await search(bench, names[0]!, { ref });
  if (found.items[0]?.symbol?.name !== names[0]) throw new Error(`${names[0]} is not found: ${JSON.stringify(found)}`);
  const symbol = await each((name) => search(bench, name, { ref, kind: 'symbol' }));
  const words = await each((_, index) => search(bench, wordsOf(index), { ref }));
  const misspelt = await each((name) => search(bench, `${name.slice(0, 4)}${name.slice(5)}`, { ref }));
  const after = await residentMib(pid);
  const grep = await each((name) => run('git', ['-C', bench.repository, 'grep', '-n', '-i', '-e', name, ref]));
  const ripgrepVersion = await run('rg', ['--version']).then(
    ({ stdout }) => stdout.split('\n')[0]!,
    () => '',
  );
  const ripgrep =
    ripgrepVersion === '' ? undefined : await each((name) => run('rg', ['-n', '-i', '-e', name, bench.repository]));
  const contentBytes = source.files.reduce((sum, { content }) => sum + content.length, 0);
  const memory = { before, most, after };
  return {
    contentBytes,
    buildMs,
    change: quantiles(change),
    symbol,
    words,
    misspelt,
    grep,
    ripgrep,
    ripgrepVersion,
    memory,
  };
}

function wordsOf(index: number): string {
  const line = source.files[(index * 5 + 4) % source.files.length]!.content.split('\n')[2] ?? '';
  return line.replace(/^The | is told\.$/g, '');
}

async function search({ api, projectId }: Bench, q: string, more: { ref: string; kind?: string }) {
  const { status, body } = await api.get(`/v1/projects/${projectId}/context?${new URLSearchParams({ q, ...more })}`);
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`);
  return body as { items: { symbol?: { name: string } }[]; index: { complete: boolean } };
}

/** A search waits for the index, for a while. */
async function untilComplete(bench: Bench, ref: string): Promise<void> {
  const until = performance.now() + buildMsMax;
  while (!(await search(bench, 'anything', { ref })).index.complete) {
    if (performance.now() > until) throw new Error('the index was not made');
  }
}

async function git({ repository }: Pick<Bench, 'repository'>, ...args: string[]): Promise<string> {
  const author = ['-c', 'user.name=Bench', '-c', 'user.email=bench@example.org'];
  return (await run('git', ['-C', repository, ...author, ...args])).stdout.trim();
}

const commitOf = (bench: Bench, name: string) => git(bench, 'rev-parse', name);

async function changeOneFile(bench: Bench, number: number): Promise<string> {
  const { path } = source.files[(number * 5) % source.files.length]!;
  const file = join(bench.repository, path);
  await writeFile(file, `${await readFile(file, 'utf8')}\nexport function changedIn${number}(): void {}\n`);
  await git(bench, 'commit', '-qam', `change ${number}`);
  return commitOf(bench, 'HEAD');
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024;
}

/** A first commit with little, and one with the source. */
async function makeSource(directory: string): Promise<string> {
  const { path } = await makeRepository(directory, 1);
  await writeSourceFiles(path, source.files);
  await git({ repository: path }, 'add', '.');
  await git({ repository: path }, 'commit', '-qm', 'Source');
  return path;
}

function render(figures: Figures, machine: string): string {
  const row = (name: string, { p50, p95, max }: Quantiles) =>
    `| ${name} | ${p50.toFixed(1)} | ${p95.toFixed(1)} | ${max.toFixed(1)} | ${(p50 / figures.grep.p50).toFixed(2)} |`;
  const { ripgrep, ripgrepVersion, memory } = figures;
  const mib = (value: number) => value.toFixed(0);
  return `# Search in a repository: \`npm run bench -- context\`

Measured on ${machine}. ${files.toLocaleString('en')} files of TypeScript, Python, Go and Markdown, ${(figures.contentBytes / 1024 ** 2).toFixed(1)} MiB; through the API, by commit.

Made for the first time, with the mirror there: ${(figures.buildMs / 1_000).toFixed(1)} s. The sandbox-runner's memory: ${mib(memory.before)} MiB before, ${mib(memory.most)} MiB at most meanwhile, ${mib(memory.after)} MiB after all searches.

| step | p50 ms | p95 ms | max ms | ratio to \`git grep\` |
|---|---|---|---|---|
${row(`a commit that changes one file: fetched, indexed and searched (${changes} times)`, figures.change)}
${row(`a symbol by its name (${searches} times, as all below)`, figures.symbol)}
${row('three words: symbols, text and files', figures.words)}
${row('a name with a letter missing', figures.misspelt)}
${row('`git grep -n -i` for a name, at the commit', figures.grep)}
${ripgrep ? row(`\`rg -n -i\` for a name, in the work tree (${ripgrepVersion})`, ripgrep) : '| ripgrep is not installed here | | | | |'}

Beside them, \`git grep\` and ripgrep find lines that have the text, in no order of worth, and are started anew for each search. Client, cluster and engine share
the cores.
`;
}

await runBench('context', { files: 1, page: files === 5_000 }, async ({ api, pids, repositories, machine }) => {
  const repository = await makeSource(join(repositories, 'source'));
  const { id: projectId } = await api.make('/v1/projects', { name: 'source', repository: { url: repository } });
  return render(await measure({ api, projectId, repository }, pids['sandboxRunner']!), machine);
});
