// `npm run bench -- <name>`: starts a cluster of its own, measures, prints, and writes the page docs/benchmarks/<name>.md.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const names = ['exec', 'memory'];
const [name, ...rest] = process.argv.slice(2);

if (!names.includes(name)) {
  console.log(
    `Usage: npm run bench -- <name>\n\nNames:\n  exec    latency and rate of a short command, beside Docker's own exec\n  memory  resident memory of the services while ten commands print without end`,
  );
  process.exit(name === undefined || name === '--help' ? 0 : 2);
}
const node = `${root}/node_modules/.bin/node`;
if (!existsSync(node)) {
  console.error('The packages are not installed: run `npm ci` (or `npm start` once).');
  process.exit(1);
}
const { status } = spawnSync(node, [`${root}/tests/bench/${name}.ts`, ...rest], { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
