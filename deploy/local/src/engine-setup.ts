/**
 * The steps between "some machine" and "an engine that can run": find one, or install what an own one needs and lay out its files.
 * Who starts the own engine's process is the caller's business.
 */
import { arch } from 'node:os';
import { join } from 'node:path';
import { ensureBaseImage } from '../../sandbox-image/build.ts';
import { sandboxImageRecipe } from '../../sandbox-image/recipe.ts';
import { type DaemonPlan, planDaemon, prepareDaemon } from './docker-daemon.ts';
import { type Engine, engineCandidates, findEngine } from './docker-engine.ts';
import { findProgram, installPackages } from './install-packages.ts';
import { type Report, step } from './progress.ts';

export type EngineChoice =
  | { kind: 'found'; socket: string; detail: string }
  | { kind: 'own'; socket: string; plan: DaemonPlan; program: string };

const OWN_ENGINE_PACKAGES = ['docker.io', 'iproute2', 'iptables'];
const IMAGE_BUILDER_PACKAGES = ['mmdebstrap', 'debian-archive-keyring'];

/** `root` and `socketRoot` as in planDaemon. */
export async function chooseEngine(
  root: string,
  socketRoot: string,
  env: NodeJS.ProcessEnv,
  report: Report,
): Promise<EngineChoice> {
  const left = { socket: join(socketRoot, 'docker.sock'), source: 'of this state directory', required: false };
  const candidates = engineCandidates(env);
  const found = await findEngine(candidates[0]?.required ? candidates : [left, ...candidates]);
  if (found) return { kind: 'found', socket: found.socket, detail: describe(found) };
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'No Docker engine answers. Start Docker, or point WORKTRAIL_DOCKER_SOCKET at its socket, or run as root on Debian or Ubuntu: ' +
        'then Worktrail installs docker.io and runs an engine of its own in the state directory.',
    );
  }
  const program = (await findProgram('dockerd', env)) ?? (await installEngine(env, report));
  const plan = await planDaemon(root, socketRoot);
  await prepareDaemon(plan, socketRoot);
  return { kind: 'own', socket: plan.socket, plan, program };
}

async function installEngine(env: NodeJS.ProcessEnv, report: Report): Promise<string> {
  await step(report, 'Install docker.io', () => installPackages(OWN_ENGINE_PACKAGES, 'to run sandboxes', env));
  const program = await findProgram('dockerd', env);
  if (!program) throw new Error('docker.io is installed but brought no dockerd: install the package that has it.');
  return program;
}

export function prepareImage(
  dockerSocket: string,
  cacheDirectory: string,
  env: NodeJS.ProcessEnv,
  report: Report,
  signal?: AbortSignal,
): Promise<{ image: string; detail: string }> {
  return ensureBaseImage({
    signal,
    dockerSocket,
    cacheDirectory,
    recipe: sandboxImageRecipe(arch()),
    configuredImage: env.WORKTRAIL_SANDBOX_IMAGE,
    requireBuilder: async () => {
      if (await findProgram('mmdebstrap', env)) return;
      await installPackages(IMAGE_BUILDER_PACKAGES, 'to build the sandbox base image', env);
    },
    note: (title) => report({ kind: 'note', title }),
  });
}

function describe(engine: Engine): string {
  return `${engine.version} at ${engine.socket} (${engine.source})`;
}
