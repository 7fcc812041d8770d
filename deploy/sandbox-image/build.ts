/**
 * Makes sure that an engine has the sandbox base image: taken as configured, or there already, or built and imported.
 *
 * The root file system is built into the cache directory, appears there by rename, and is imported from there: another engine that
 * shares the cache imports it without building. An image counts as present only by its tag, which names its recipe.
 */
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { isFile } from '../local/src/resolve-tool.ts';
import { mustRun } from '../local/src/run-program.ts';
import { type ImageRecipe, imageTag, mmdebstrapArguments, RECIPE_LABEL, recipeHash } from './recipe.ts';

const BUILD_TIMEOUT_MS = 10 * 60_000;
const PULL_TIMEOUT_MS = 60_000;

export interface BaseImageOptions {
  dockerSocket: string;
  cacheDirectory: string;
  recipe: ImageRecipe;
  /** Used when the engine has it or can pull it. */
  configuredImage: string | undefined;
  /** Called before anything is built: makes mmdebstrap available, or throws what to install. */
  requireBuilder: () => Promise<void>;
  note: (text: string) => void;
  /** Ends a build that nobody waits for any more. */
  signal?: AbortSignal;
}

export async function ensureBaseImage(options: BaseImageOptions): Promise<{ image: string; detail: string }> {
  const docker = new Docker({ socketPath: options.dockerSocket });
  const configured = options.configuredImage;
  if (configured) {
    if (await hasImage(docker, configured)) return { image: configured, detail: `${configured}, as configured` };
    const refusal = await pull(docker, configured);
    if (refusal === null)
      return {
        image: configured,
        detail: `${configured}, pulled as configured`,
      };
    options.note(`The configured image ${configured} cannot be had (${refusal}); building the base image instead.`);
  }
  const image = imageTag(options.recipe);
  if (await hasImage(docker, image)) return { image, detail: `${image}, built before` };
  const { path, detail } = await buildRoot(options);
  await importRoot(docker, path, image, options.recipe);
  return { image, detail: `${image}, ${detail}` };
}

async function hasImage(docker: Docker, image: string): Promise<boolean> {
  try {
    await docker.getImage(image).inspect();
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false;
    throw error;
  }
}

/** Null when the image is there afterwards, else why it is not. */
async function pull(docker: Docker, image: string): Promise<string | null> {
  try {
    const stream = await docker.pull(image, {
      abortSignal: AbortSignal.timeout(PULL_TIMEOUT_MS),
    });
    await new Promise<void>((resolve, reject) => {
      docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
    });
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

async function buildRoot(options: BaseImageOptions): Promise<{ path: string; detail: string }> {
  const path = join(options.cacheDirectory, `sandbox-root-${recipeHash(options.recipe)}.tar`);
  if (await isFile(path)) return { path, detail: 'imported from the cache' };
  await options.requireBuilder();
  await mkdir(options.cacheDirectory, { recursive: true });
  const scratch = await mkdtemp(join(options.cacheDirectory, '.image-'));
  try {
    const output = join(scratch, 'root.tar');
    await mustRun('mmdebstrap', mmdebstrapArguments(options.recipe, output), {
      timeoutMs: BUILD_TIMEOUT_MS,
      env: { ...process.env, TMPDIR: scratch },
      signal: options.signal,
    });
    await rename(output, path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return { path, detail: 'built' };
}

async function importRoot(docker: Docker, path: string, image: string, recipe: ImageRecipe): Promise<void> {
  const [repo, tag] = image.split(':');
  const changes = [...recipe.changes, `LABEL ${RECIPE_LABEL}=${recipeHash(recipe)}`];
  const stream = await docker.importImage(createReadStream(path), {
    repo,
    tag,
    changes,
  });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
  });
}
