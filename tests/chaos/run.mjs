// `npm run chaos`: prepares the machine as `npm test` does, then runs rounds of faults on a cluster of its own.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runPrepared } from '../prepare.mjs';

const args = ['--enable-source-maps', 'tests/chaos/main.ts', ...process.argv.slice(2)];
const root = fileURLToPath(new URL('../..', import.meta.url));
const node = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));

// Only to be told of: nothing is prepared for that.
if (process.argv.includes('--help') && existsSync(node)) {
  process.exit(spawnSync(node, args, { cwd: root, stdio: 'inherit' }).status ?? 1);
}
runPrepared(args);
