/**
 * Prepares a machine without starting a cluster: tools, supervisor, engine and image. Tests and other tools run on what it leaves.
 *
 * An engine of its own is left running, detached; `--stop` removes its containers and ends it. Prints shell exports that name
 * everything.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cleanUpDaemon, planDaemon, prepareDaemon } from './docker-daemon.ts';
import { engineVersion } from './docker-engine.ts';
import { removeAllContainers } from './engine-containers.ts';
import { chooseEngine } from './engine-setup.ts';
import { type Report, step } from './progress.ts';
import { ensureSandboxImage } from './sandbox-image.ts';
import { provideSshServer } from './ssh-server.ts';
import { sweepScratch } from './scratch-directory.ts';
import { openSocketRoot, openStateDirectory, removeSocketRoot } from './state-directory.ts';
import { createStyle, createTerminalReport, wantsColour } from './terminal.ts';
import { resolveSupervisor, resolveTool } from './tools.ts';
import { waitUntil } from './wait-until.ts';

const USAGE = `Usage: node deploy/local/tools.mjs --state DIR [--tests] [--stop]
Fetches the tools, builds the supervisor, makes a Docker engine and the sandbox image available; prints their paths as exports.
  --state DIR  where everything is kept
  --tests      what only tests need too: an ssh server, which is not started
  --stop       end the Docker engine that an earlier run left in DIR`;

const repositoryDirectory = join(import.meta.dirname, '../../..');

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      state: { type: 'string' },
      tests: { type: 'boolean' },
      stop: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help || !values.state) {
    process.stdout.write(`${USAGE}\n`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const report = createTerminalReport(
    (text) => process.stderr.write(text),
    createStyle(wantsColour(process.stderr, process.env)),
  );
  if (values.stop) return await stopEngine(values.state, report);
  await prepareMachine(values.state, process.env, report);
  if (values.tests) await provideSshServer(process.env, report);
}

async function prepareMachine(stateDirectory: string, env: NodeJS.ProcessEnv, report: Report): Promise<void> {
  const state = await openStateDirectory(stateDirectory, env.WORKTRAIL_TOOLS_DIR);
  await sweepScratch(state.tools);
  const exports: Record<string, string> = {};
  const tool = async (title: string, name: 'temporal' | 'nats-server') =>
    await step(report, title, async () => {
      const found = await resolveTool(name, state.tools, env);
      return { path: found.path, detail: `${found.version}, ${found.source}` };
    });
  exports.WORKTRAIL_TEMPORAL_BIN = (await tool('Temporal CLI', 'temporal')).path;
  exports.WORKTRAIL_NATS_SERVER_BIN = (await tool('nats-server', 'nats-server')).path;
  exports.WORKTRAIL_DOCKER_SOCKET = await leaveEngineRunning(state.root, state.logs, env, report);
  const socket = exports.WORKTRAIL_DOCKER_SOCKET;
  const image = await step(report, 'Sandbox image', () =>
    ensureSandboxImage({
      dockerSocket: socket,
      cacheDirectory: state.tools,
      env,
      note: (title) => report({ kind: 'note', title }),
    }),
  );
  exports.WORKTRAIL_SANDBOX_IMAGE = image.image;
  await step(report, 'Sandbox supervisor', async () => {
    const { path, detail } = await resolveSupervisor(repositoryDirectory, state.tools, env);
    exports.WORKTRAIL_SUPERVISOR = path;
    return { detail };
  });
  for (const [name, value] of Object.entries(exports)) process.stdout.write(`export ${name}='${value}'\n`);
}

async function leaveEngineRunning(root: string, logs: string, env: NodeJS.ProcessEnv, report: Report): Promise<string> {
  const socketRoot = await openSocketRoot(root, env);
  const { socket } = await planDaemon(root, socketRoot);
  const running = await engineVersion(socket);
  if (running !== null) {
    report({
      kind: 'note',
      title: `Docker ${running} runs already at ${socket}`,
    });
    return socket;
  }
  const chosen = await chooseEngine(root, socketRoot, env, report);
  await step(report, 'Docker engine', async () => {
    if (chosen.kind === 'found') return { detail: chosen.detail };
    await prepareDaemon(chosen.plan, socketRoot);
    const log = await open(join(logs, 'dockerd.log'), 'a');
    const child = spawn(chosen.program, ['--config-file', chosen.plan.configPath], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await once(child, 'spawn');
    child.unref();
    await log.close();
    await waitUntil(async () => (await engineVersion(socket)) !== null, {
      what: `dockerd (see ${logs}/dockerd.log)`,
      timeoutMs: 60_000,
    });
    return { detail: `own engine at ${socket}, process ${child.pid}` };
  });
  return chosen.socket;
}

async function stopEngine(stateDirectory: string, report: Report): Promise<void> {
  const state = await openStateDirectory(stateDirectory, undefined);
  const socketRoot = await openSocketRoot(state.root, process.env);
  const plan = await planDaemon(state.root, socketRoot);
  if ((await engineVersion(plan.socket)) === null) {
    report({ kind: 'note', title: `No engine answers at ${plan.socket}.` });
    return;
  }
  await step(report, 'Stop the Docker engine', async () => {
    const removed = await removeAllContainers(plan.socket);
    process.kill(Number(await readFile(plan.pidFile, 'utf8')), 'SIGTERM');
    await waitUntil(async () => (await engineVersion(plan.socket)) === null, {
      what: 'the engine to end',
      timeoutMs: 20_000,
    });
    await cleanUpDaemon(plan);
    await removeSocketRoot(state.root, process.env);
    return { detail: `${removed} containers removed` };
  });
}

await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
