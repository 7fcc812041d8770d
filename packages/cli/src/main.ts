#!/usr/bin/env node
// The `worktrail` command: the process around run-cli.ts. Nothing else reads the environment or ends the process.

import { runCli } from './run-cli.ts';
import { runPager } from './screen/pager.ts';
import { isClosedPipe } from './screen/screen.ts';

// A reader that has gone is met where it is written to.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (!isClosedPipe(error)) throw error;
  });
}

const exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  onSignal(signals, listener) {
    for (const signal of signals) process.on(signal, listener);
    return () => {
      for (const signal of signals) process.off(signal, listener);
    };
  },
  nowMs: Date.now,
  runPager,
});
process.exit(exitCode);
