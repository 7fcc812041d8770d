/** The command behind `npm start`, as a process: what it prints and how it exits. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startStandInCluster } from '../test/start-stand-in-cluster.ts';
import type { Cluster } from './cluster.ts';
import { identifyProcess } from './process-identity.ts';
import { runProgram } from './run-program.ts';

const start = join(import.meta.dirname, '../start.mjs');
let directory: string;
let cluster: Cluster;

function npmStart(...flags: string[]) {
  return runProgram(process.execPath, [start, ...flags], { timeoutMs: 60_000 });
}

describe('npm start', () => {
  beforeAll(async () => {
    directory = await mkdtemp('/tmp/wt-main-');
    cluster = await startStandInCluster(join(directory, 'state'));
  });

  afterAll(async () => {
    await cluster.stop();
    await rm(directory, { recursive: true, force: true });
  });

  test('explains its flags, and refuses one that it does not know', async () => {
    const help = await npmStart('--help');
    expect([help.exitCode, help.stdout]).toEqual([0, expect.stringContaining('--no-demo')]);
    const unknown = await npmStart('--quickly');
    expect([unknown.exitCode, unknown.stdout]).toEqual([2, '']);
    expect(unknown.stderr).toMatch(/'--quickly'[^]*Usage/);
  });

  test('says that a cluster runs already, and where, and leaves it alone', async () => {
    const again = await npmStart('--state', cluster.state.root);
    expect(again.exitCode).toBe(0);
    expect(again.stdout).toContain(`runs already on ${cluster.state.root}: ${cluster.connection.apiUrl}`);
    const once = await npmStart('--state', cluster.state.root, '--once');
    expect([once.exitCode, once.stderr]).toEqual([1, expect.stringContaining('--once')]);
    expect(await identifyProcess(cluster.connection.pids.gateway)).not.toBeNull();
  });
});
