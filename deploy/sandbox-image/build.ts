/**
 * Builds the root file system of the sandbox base image as a tar file, once per recipe and cache directory.
 *
 * The file appears by rename, complete or not at all; whoever shares the cache imports it without building.
 */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isFile } from '../local/src/resolve-tool.ts';
import { mustRun } from '../local/src/run-program.ts';
import { inScratch } from '../local/src/scratch-directory.ts';
import { type ImageRecipe, mmdebstrapArguments, recipeHash } from './recipe.ts';

const BUILD_TIMEOUT_MS = 10 * 60_000;

export interface RootBuildOptions {
  recipe: ImageRecipe;
  cacheDirectory: string;
  /** Called before anything is built: makes mmdebstrap available, or throws what to install. */
  requireBuilder: () => Promise<void>;
  /** Ends a build that nobody waits for any more. */
  signal?: AbortSignal;
}

export async function buildRoot(options: RootBuildOptions): Promise<{ path: string; wasCached: boolean }> {
  const path = join(options.cacheDirectory, `sandbox-root-${recipeHash(options.recipe)}.tar`);
  if (await isFile(path)) return { path, wasCached: true };
  await options.requireBuilder();
  await inScratch(options.cacheDirectory, 'image', async (scratch) => {
    const output = join(scratch, 'root.tar');
    await mustRun('mmdebstrap', mmdebstrapArguments(options.recipe, output), {
      timeoutMs: BUILD_TIMEOUT_MS,
      env: { ...process.env, TMPDIR: scratch },
      signal: options.signal,
    });
    await rename(output, path);
  });
  return { path, wasCached: false };
}
