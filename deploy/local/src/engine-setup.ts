/**
 * The steps between "some machine" and "an engine that can run": find one, or install what an own one needs and plan it.
 * Who starts the own engine's process lays out its files first.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DaemonPlan, planDaemon } from './docker-daemon.ts';
import { type Engine, engineCandidates, findEngine, type RememberedEngine } from './docker-engine.ts';
import { findProgram, installPackages } from './install-packages.ts';
import { type Report, step } from './progress.ts';
import { writeAtomically } from './write-atomically.ts';

export type EngineChoice =
  | { kind: 'found'; socket: string; detail: string }
  | { kind: 'own'; socket: string; plan: DaemonPlan; program: string };

const OWN_ENGINE_PACKAGES = ['docker.io', 'iproute2', 'iptables'];

/** `root` and `socketRoot` as in planDaemon. */
export async function chooseEngine(
  root: string,
  socketRoot: string,
  env: NodeJS.ProcessEnv,
  report: Report,
): Promise<EngineChoice> {
  const memory = join(root, 'engine.json');
  const ownSocket = join(socketRoot, 'docker.sock');
  const found = await findEngine(engineCandidates(env, await readRemembered(memory), ownSocket));
  if (found) {
    await remember(memory, found.socket === ownSocket ? { kind: 'own' } : { kind: 'found', socket: found.socket });
    return { kind: 'found', socket: found.socket, detail: describe(found) };
  }
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'No Docker engine answers. Start Docker, or point WORKTRAIL_DOCKER_SOCKET at its socket, or run as root on Debian or Ubuntu: ' +
        'then Worktrail installs docker.io and runs an engine of its own in the state directory.',
    );
  }
  const program = (await findProgram('dockerd', env)) ?? (await installEngine(env, report));
  const plan = await planDaemon(root, socketRoot);
  await remember(memory, { kind: 'own' });
  return { kind: 'own', socket: plan.socket, plan, program };
}

async function installEngine(env: NodeJS.ProcessEnv, report: Report): Promise<string> {
  await step(report, 'Install docker.io', () => installPackages(OWN_ENGINE_PACKAGES, 'to run sandboxes', env));
  const program = await findProgram('dockerd', env);
  if (!program) throw new Error('docker.io is installed but brought no dockerd: install the package that has it.');
  return program;
}

async function readRemembered(path: string): Promise<RememberedEngine | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as RememberedEngine);
}

async function remember(path: string, engine: RememberedEngine): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(engine)}\n`, 0o600);
}

function describe(engine: Engine): string {
  return `${engine.version} at ${engine.socket} (${engine.source})`;
}
