// `npm start`: checks what this machine must bring, installs the npm packages when they are missing or outdated, and goes on under
// the Node 24 that they carry. Plain JavaScript, because an older Node may start it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMissing, installedPackagesProblem, packagedNodeProblem } from './bootstrap-checks.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const packagedNode = join(root, 'node_modules/.bin/node');

function fail(message) {
  console.error(message);
  process.exit(1);
}

function installPackages() {
  const problem = installedPackagesProblem(root);
  if (problem === null) return;
  const startedAt = Date.now();
  console.log(`Installing the npm packages (npm ci: ${problem}); this takes a minute or two.`);
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail('npm ci failed: see above. Run it by hand, then npm start again.');
  console.log(`✓ npm ci  ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}

const missing = describeMissing(process.versions.node, process.platform, (program) => {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
});
if (missing.length > 0) fail(missing.join('\n'));
installPackages();
const nodeProblem = packagedNodeProblem(
  existsSync(packagedNode) ? spawnSync(packagedNode, ['--version']).stdout : null,
);
if (nodeProblem !== null) fail(nodeProblem);

const main = join(root, 'deploy/local/src/main.ts');
const child = spawn(packagedNode, ['--enable-source-maps', main, ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => fail(`${packagedNode} could not be started: ${error.message}`));
child.on('exit', (code, signal) => {
  if (signal) console.error(`The supervisor was ended by ${signal}; the next npm start cleans up.`);
  process.exit(code ?? 1);
});
