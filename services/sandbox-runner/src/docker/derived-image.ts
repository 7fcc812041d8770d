// Images with a project's own packages: the base image's packages and these, built once per set and kept by the engine.
//
// 1. The image's name is a hash of the base image's content and the sorted packages: another base or set is another image.
// 2. Package names are checked before any program sees them; what apt says when it fails is in the failure.
// 3. Only one build per image and two in all run at a time; a scratch directory never outlives its build.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { limits } from '@worktrail/contract/limits';
import { debianPackage, imageLabels } from '@worktrail/contract/sandbox-image';
import type { Logger } from '@worktrail/runtime/log';
import { programEnvironment } from '../host/program-environment.ts';
import type { SandboxDriver, SandboxImage } from './sandbox-driver.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import { createStartGate } from '../host/start-gate.ts';

export const derivedRepository = 'worktrail-derived';
const buildTimeoutMs = 600_000;
const buildsMax = 2;
const program = promisify(execFile);

export interface DerivedImages {
  /** @throws SessionFailure `packages_failed` */
  ensure(base: SandboxImage, baseName: string, packages: readonly string[]): Promise<SandboxImage>;
}

export interface DerivedImageDeps {
  driver: SandboxDriver;
  dataDirectory: string;
  log: Logger;
  /** Ends builds with the process. */
  signal: AbortSignal;
}

export function createDerivedImages(deps: DerivedImageDeps): DerivedImages {
  const building = new Map<string, Promise<SandboxImage>>();
  const gate = createStartGate(buildsMax);
  return {
    async ensure(base, baseName, packages) {
      const wanted = checkPackages(packages);
      const name = derivedImageName(base.id, wanted);
      const present = await deps.driver.findImage(name);
      if (present) return present;
      const build = () => gate.run(() => buildImage(deps, base, baseName, name, wanted));
      const running = building.get(name) ?? build().finally(() => building.delete(name));
      building.set(name, running);
      return running;
    },
  };
}

export function derivedImageName(baseId: string, packages: readonly string[]): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([baseId, packages]))
    .digest('hex');
  return `${derivedRepository}:${hash.slice(0, 16)}`;
}

/** Sorted and each once. @throws SessionFailure */
export function checkPackages(packages: readonly string[]): string[] {
  const wrong = packages.find((name) => !debianPackage.test(name));
  if (wrong !== undefined)
    throw new SessionFailure('packages_failed', `"${wrong.slice(0, 100)}" is not a package name`);
  if (packages.length > limits.packagesMax)
    throw new SessionFailure('packages_failed', `at most ${limits.packagesMax} packages can be added`);
  return [...new Set(packages)].sort();
}

async function buildImage(
  { driver, dataDirectory, log, signal }: DerivedImageDeps,
  base: SandboxImage,
  baseName: string,
  name: string,
  packages: readonly string[],
): Promise<SandboxImage> {
  const basePackages = (base.labels[imageLabels.packages] ?? '')
    .split(/[\s,]+/)
    .filter((entry) => debianPackage.test(entry));
  if (basePackages.length === 0) {
    throw new SessionFailure(
      'packages_failed',
      `packages cannot be added to the image "${baseName}": it does not name its own in the label ${imageLabels.packages}`,
    );
  }
  const parent = join(dataDirectory, 'images');
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const scratch = await mkdtemp(join(parent, 'build-'));
  log.info({ image: name, packages }, 'building an image with packages');
  try {
    const tarPath = join(scratch, 'root.tar');
    const suite = base.labels[imageLabels.suite] ?? 'bookworm';
    const args = mmdebstrapArguments(suite, [...basePackages, ...packages]);
    // Says within seconds what cannot be installed.
    await runBuilder(['--simulate', ...args, '/dev/null'], scratch, signal);
    await runBuilder([...args, tarPath], scratch, signal);
    await driver.importImage(name, tarPath, { env: base.env, labels: base.labels });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const image = await driver.findImage(name);
  if (!image) throw new Error(`the image ${name} is not there after it was imported`);
  return image;
}

function mmdebstrapArguments(suite: string, packages: string[]): string[] {
  return [
    '--variant=minbase',
    `--include=${[...new Set(packages)].join(',')}`,
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Retries "3"',
    '--customize-hook=grep -q ":1000:" "$1/etc/group" || printf "worktrail:x:1000:\\n" >> "$1/etc/group"',
    '--customize-hook=grep -q ":1000:1000:" "$1/etc/passwd" || printf "worktrail:x:1000:1000:Worktrail:/home/worktrail:/bin/bash\\n" >> "$1/etc/passwd"',
    '--customize-hook=install -d -o 1000 -g 1000 -m 0755 "$1/workspace" "$1/home/worktrail"',
    '--customize-hook=rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*',
    suite,
  ];
}

async function runBuilder(args: string[], scratch: string, signal: AbortSignal): Promise<void> {
  const env = programEnvironment({ HOME: scratch, LC_ALL: 'C', TMPDIR: scratch });
  try {
    await program('mmdebstrap', args, { timeout: buildTimeoutMs, maxBuffer: 16 * 1024 * 1024, env, signal });
  } catch (error) {
    signal.throwIfAborted();
    const { code, stderr, killed } = error as { code?: string; stderr?: string; killed?: boolean };
    if (code === 'ENOENT')
      throw new SessionFailure('packages_failed', 'the runner has no mmdebstrap: install it with apt-get');
    if (killed)
      throw new SessionFailure('packages_failed', `the packages were not installed within ${buildTimeoutMs / 1000} s`);
    throw new SessionFailure('packages_failed', `the packages cannot be installed: ${errorLines(stderr ?? '')}`);
  }
}

/** apt's own error lines, else the last ones. */
export function errorLines(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const errors = lines.filter((line) => /^E:|^dpkg: error/i.test(line) && !/^E: (mmdebstrap|setup) failed/.test(line));
  return (errors.length > 0 ? errors : lines.slice(-3)).slice(0, 5).join(' / ').slice(0, 1_000);
}
