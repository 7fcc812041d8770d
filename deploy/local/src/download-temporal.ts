/**
 * The Temporal SDK's own download of its dev server, as a process that can be bounded in time and ended: `VERSION DIRECTORY`.
 *
 * The SDK downloads only to start a server, so one is started on a free port for a moment; the binary stays in the directory.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';

const [version, downloadDir] = process.argv.slice(2);
if (!version || !downloadDir) throw new Error('usage: download-temporal.ts VERSION DIRECTORY');

try {
  const executable = { type: 'cached-download', version: `v${version}`, downloadDir } as const;
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable } });
  await environment.teardown();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
