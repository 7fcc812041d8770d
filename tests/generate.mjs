// Writes what is generated: protobuf code and the OpenAPI document with its types. `--check` fails where the committed files differ.
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = ['proto/gen', 'docs/openapi.json', 'packages/client/src/gen'];

function run(program, args, cwd = root) {
  const { status } = spawnSync(program, args, { cwd, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

run('buf', ['lint'], `${root}/proto`);
run('buf', ['generate'], `${root}/proto`);
run('npm', ['run', '--silent', 'openapi', '--workspace', '@worktrail/gateway']);
run('npm', ['run', '--silent', 'generate', '--workspace', '@worktrail/client', '--if-present']);

if (process.argv.includes('--check')) {
  const changed = execFileSync('git', ['status', '--porcelain', '--', ...generated], { cwd: root, encoding: 'utf8' });
  if (changed) {
    console.error(`Generated files are not up to date: run \`npm run generate\` and commit.\n${changed}`);
    process.exit(1);
  }
}
