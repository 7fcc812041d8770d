// `npm run chaos`: prepares the machine as `npm test` does, then runs rounds of faults on a cluster of its own.
import { runPrepared } from '../prepare.mjs';

runPrepared(['--enable-source-maps', 'tests/chaos/main.ts', ...process.argv.slice(2)]);
