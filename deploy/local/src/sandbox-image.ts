/**
 * Makes sure that an engine has the sandbox base image: taken as configured, or there already, or built and imported.
 *
 * An image counts as present only by its tag, which names its recipe.
 */
import { createReadStream } from 'node:fs';
import { arch } from 'node:os';
import Docker from 'dockerode';
import { buildRoot } from '../../sandbox-image/build.ts';
import {
  type ImageRecipe,
  imageTag,
  RECIPE_LABEL,
  recipeHash,
  sandboxImageRecipe,
} from '../../sandbox-image/recipe.ts';
import { findProgram, installPackages } from './install-packages.ts';

const PULL_TIMEOUT_MS = 60_000;
const BUILDER_PACKAGES = ['mmdebstrap', 'debian-archive-keyring'];

export interface SandboxImageInput {
  dockerSocket: string;
  /** Where the built root file system is kept. */
  cacheDirectory: string;
  /** WORKTRAIL_SANDBOX_IMAGE names an image to use where the engine has it or can pull it. */
  env: NodeJS.ProcessEnv;
  note: (text: string) => void;
  signal?: AbortSignal;
}

export async function ensureSandboxImage(input: SandboxImageInput): Promise<{ image: string; detail: string }> {
  const docker = new Docker({ socketPath: input.dockerSocket });
  const configured = input.env.WORKTRAIL_SANDBOX_IMAGE;
  if (configured) {
    const refusal = (await hasImage(docker, configured)) ? null : await pull(docker, configured);
    if (refusal === null) return { image: configured, detail: `${configured}, as configured` };
    input.note(`The configured image ${configured} cannot be had (${refusal}); building the base image instead.`);
  }
  const recipe = sandboxImageRecipe(arch());
  const image = imageTag(recipe);
  if (await hasImage(docker, image)) return { image, detail: `${image}, built before` };
  const { path, wasCached } = await buildRoot({
    recipe,
    cacheDirectory: input.cacheDirectory,
    requireBuilder: () => requireBuilder(input.env),
    signal: input.signal,
  });
  await importRoot(docker, path, image, recipe);
  return { image, detail: `${image}, ${wasCached ? 'imported from the cache' : 'built'}` };
}

async function requireBuilder(env: NodeJS.ProcessEnv): Promise<void> {
  if (await findProgram('mmdebstrap', env)) return;
  await installPackages(BUILDER_PACKAGES, 'to build the sandbox base image', env);
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
    await finish(docker, await docker.pull(image, { abortSignal: AbortSignal.timeout(PULL_TIMEOUT_MS) }));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

async function importRoot(docker: Docker, path: string, image: string, recipe: ImageRecipe): Promise<void> {
  const [repo, tag] = image.split(':');
  const changes = [...recipe.changes, `LABEL ${RECIPE_LABEL}=${recipeHash(recipe)}`];
  await finish(docker, await docker.importImage(createReadStream(path), { repo, tag, changes }));
}

/** The engine answers at once and reports how the work ends in the stream. */
function finish(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
  });
}
