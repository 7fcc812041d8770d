// Prepares the machine for what starts servers (`npm test`, `npm run chaos`) by the same steps as `npm start`.
//
// What it prepares stays in the test state directory (`WORKTRAIL_TEST_HOME`, by default .worktrail-test in the clone), so the next run
// is quick; an engine it had to start is stopped again by `release`. Runs beside a cluster that is up.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMissing, installedPackagesProblem, packagedNodeProblem } from '../deploy/local/bootstrap-checks.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const packagedNode = join(root, 'node_modules/.bin/node');
const state = process.env.WORKTRAIL_TEST_HOME ?? join(root, '.worktrail-test');

function fail(message) {
  console.error(message);
  process.exit(1);
}

function run(program, args, options = {}) {
  return spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
}

function prepare() {
  const missing = describeMissing(process.versions.node, process.platform, (program) => {
    return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
  });
  if (missing.length > 0) fail(missing.join('\n'));
  if (installedPackagesProblem(root) !== null && run('npm', ['ci']).status !== 0) fail('npm ci failed: see above.');
  const nodeProblem = packagedNodeProblem(
    existsSync(packagedNode) ? spawnSync(packagedNode, ['--version']).stdout : null,
  );
  if (nodeProblem !== null) fail(nodeProblem);

  const prepared = run(packagedNode, ['deploy/local/tools.mjs', '--state', state, '--tests'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (prepared.status !== 0) fail('The machine could not be prepared for the tests: see above.');
  const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` };
  for (const [, name, value] of prepared.stdout.matchAll(/^export (\w+)='(.*)'$/gm)) env[name] = value;
  env.WORKTRAIL_TOOLS_DIR ??= join(state, 'tools');
  return env;
}

/** Runs a program of Node 24 on a prepared machine, and ends this process with its exit code. */
export function runPrepared(args) {
  const env = prepare();
  // A signal ends the program first, then this goes on to stop the engine.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  const { status } = run(packagedNode, args, { env });
  run(packagedNode, ['deploy/local/tools.mjs', '--state', state, '--stop']);
  process.exit(status ?? 1);
}
