// Prepares this machine for Worktrail without starting it; runs on Node 24 whatever Node was used to start it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = join(root, 'node_modules/.bin/node');
if (!existsSync(node)) {
  console.error(`${node} is missing: run npm ci in ${root} first.`);
  process.exit(1);
}
const main = join(root, 'deploy/local/src/prepare-machine.ts');
const { status } = spawnSync(node, [main, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
