// `npm test`: prepares the machine by the same steps as `npm start`, then runs every test. Arguments go to vitest.
import { runPrepared } from './prepare.mjs';

runPrepared(['node_modules/.bin/vitest', 'run', ...process.argv.slice(2)]);
