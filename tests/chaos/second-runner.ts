// A second sandbox-runner beside the cluster's own: the same engine, a data directory of its own, and nobody who starts it again.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorktrailClient } from '@worktrail/client';
import { waitUntil } from '../../deploy/local/src/wait-until.ts';
import { environmentFile } from './behind-proxies.ts';
import type { Links } from './links.ts';

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 10_000;

export interface SecondRunner {
  readonly dataDirectory: string;
  /** Resolves with its id, the same each time, once it is announced. */
  start(client: WorktrailClient): Promise<string>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** An orderly stop, if it runs. */
  stop(): Promise<void>;
}

export interface SecondRunnerOptions {
  directory: string;
  links: Links;
  /** Not the cluster's own runner's, which is cut off at times. */
  engineSocket: string;
}

export function createSecondRunner({ directory, links, engineSocket }: SecondRunnerOptions): SecondRunner {
  const dataDirectory = join(directory, 'second-runner');
  let child: ChildProcess | null = null;

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child;
    child = null;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = once(ending, 'exit');
    ending.kill(signal);
    const force = setTimeout(() => ending.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(force);
    links.drop('second-runner');
  }
  return {
    dataDirectory,
    async start(client) {
      const given = JSON.parse(await readFile(environmentFile(links.plan.directory), 'utf8')) as Record<string, string>;
      const own = {
        WORKTRAIL_RUNNER_DATA: dataDirectory,
        WORKTRAIL_PORT: '0',
        WORKTRAIL_DOCKER_SOCKET: engineSocket,
      };
      const log = openSync(join(directory, 'second-runner.log'), 'a');
      const startedAt = Date.now();
      const args = ['--enable-source-maps', links.entries['second-runner']];
      const starting = spawn(process.execPath, args, {
        detached: true,
        env: { ...given, ...own },
        stdio: ['ignore', log, log],
      });
      child = starting;
      const id = async () => (await readFile(join(dataDirectory, 'runner-id'), 'utf8')).trim();
      const isAnnounced = async () => {
        if (starting.exitCode !== null)
          throw new Error('the second runner ended while starting: see second-runner.log');
        const [known, { items }] = await Promise.all([id().catch(() => ''), client.runners.list()]);
        return items.some((runner) => runner.id === known && Date.parse(runner.startedAt) >= startedAt);
      };
      await waitUntil(isAnnounced, { what: 'the second runner', timeoutMs: START_TIMEOUT_MS });
      return await id();
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}
