// The image that a session's environment asks for: the operator's base or a named one, with its packages where it names some.

import type { Environment } from '@worktrail/contract/environment';
import type { DerivedImages } from './derived-image.ts';
import type { SandboxDriver, SandboxImage } from './sandbox-driver.ts';
import { SessionFailure } from '../sessions/session-failure.ts';

const pullTimeoutMs = 300_000;

export interface SandboxImages {
  /** @throws SessionFailure `image_unavailable`, `packages_failed`. */
  ensure(environment: Pick<Environment, 'image' | 'packages'>): Promise<SandboxImage>;
}

export function createSandboxImages(deps: {
  driver: SandboxDriver;
  baseImage: string;
  derived: DerivedImages;
}): SandboxImages {
  const pulls = new Map<string, Promise<SandboxImage>>();
  const find = async (name: string): Promise<SandboxImage> => (await deps.driver.findImage(name)) ?? pullOnce(name);

  const pullOnce = (name: string): Promise<SandboxImage> => {
    const running = pulls.get(name) ?? pull(deps.driver, name).finally(() => pulls.delete(name));
    pulls.set(name, running);
    return running;
  };

  return {
    async ensure({ image, packages }) {
      const base = await find(image ?? deps.baseImage);
      return packages.length === 0 ? base : deps.derived.ensure(base, image ?? deps.baseImage, packages);
    },
  };
}

async function pull(driver: SandboxDriver, name: string): Promise<SandboxImage> {
  try {
    await driver.pullImage(name, pullTimeoutMs);
  } catch (error) {
    await driver.ping();
    const detail = String((error as Error).message ?? error).slice(0, 300);
    throw new SessionFailure('image_unavailable', `the image "${name}" is not here and cannot be pulled: ${detail}`);
  }
  const image = await driver.findImage(name);
  if (!image) throw new SessionFailure('image_unavailable', `the image "${name}" is not there after it was pulled`);
  return image;
}
