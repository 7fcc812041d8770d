// `npm run bench -- <name>`: starts a cluster of its own, measures, prints, and writes the page docs/benchmarks/<name>.md.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const names = {
  exec: "latency and rate of a short command, beside Docker's own exec",
  output: "300 MB of output, and the first byte of little, beside Docker's own exec",
  lifecycle: 'create, hibernate and resume, and forty sessions at once, beside docker run',
  context: 'the index of 5,000 source files: made, brought to a changed file, searched, beside git grep and ripgrep',
  agent: 'a step of a turn beyond its model, first words, ten steps beside a plain loop, twenty turns at once',
  git: 'checkpoint, diff, revert, forks and new sessions at 100 to 30,000 files, beside plain git',
  trace:
    'the trace-store drains a filled JetStream; pages, reports and searches at 1 and 10 million events, beside chdb alone',
  memory: 'resident memory of the services while ten commands print without end',
};
const [name, ...rest] = process.argv.slice(2);

if (name === undefined || !Object.hasOwn(names, name)) {
  const lines = Object.entries(names).map(([each, what]) => `  ${each.padEnd(11)}${what}`);
  console.log(`Usage: npm run bench -- <name>\n\nNames:\n${lines.join('\n')}`);
  process.exit(name === undefined || name === '--help' ? 0 : 2);
}
const node = `${root}/node_modules/.bin/node`;
if (!existsSync(node)) {
  console.error('The packages are not installed: run `npm ci` (or `npm start` once).');
  process.exit(1);
}
const { status } = spawnSync(node, [`${root}/tests/bench/${name}.ts`, ...rest], { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
