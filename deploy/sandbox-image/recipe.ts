/**
 * What the base image of sandboxes is made of, and the tag that follows from it.
 *
 * The tag is a hash of everything that shapes the image: one recipe is built once per engine, a changed recipe gets a new tag and
 * sessions that run keep theirs. User 1000 (`worktrail`) owns `/workspace` and `/home/worktrail`; nothing in the image runs as root
 * but the supervisor that the runner mounts.
 */
import { createHash } from 'node:crypto';
import { imageLabels } from '@worktrail/contract/sandbox-image';

export interface ImageRecipe {
  suite: string;
  architecture: string;
  packages: string[];
  /** Run by mmdebstrap on its host with the new root as `$1`, after all packages are installed. */
  finish: string[];
  excludedPaths: string[];
  /** Dockerfile instructions applied on import. */
  changes: string[];
}

export const IMAGE_REPOSITORY = 'worktrail-sandbox';
export const RECIPE_LABEL = 'worktrail.recipe';

const SUITE = 'bookworm';

const PACKAGES = [
  'bash',
  'ca-certificates',
  'coreutils',
  'curl',
  'diffutils',
  'file',
  'findutils',
  'git',
  'jq',
  'less',
  'patch',
  'procps',
  'python3',
  'ripgrep',
  'sed',
  'unzip',
  'util-linux',
  'xz-utils',
];

const FINISH = [
  'printf "worktrail:x:1000:\\n" >> "$1/etc/group"',
  'printf "worktrail:x:1000:1000:Worktrail:/home/worktrail:/bin/bash\\n" >> "$1/etc/passwd"',
  'install -d -o 1000 -g 1000 -m 0755 "$1/workspace" "$1/home/worktrail"',
  'rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/*.log "$1"/var/log/apt "$1"/usr/share/doc',
];

/** `architecture` as Node names it (x64, arm64). */
export function sandboxImageRecipe(architecture: string): ImageRecipe {
  return {
    suite: SUITE,
    architecture: architecture === 'x64' ? 'amd64' : architecture,
    packages: PACKAGES,
    finish: FINISH,
    excludedPaths: ['/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*', '/usr/share/doc/*'],
    changes: [
      'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'ENV LANG=C.UTF-8',
      'WORKDIR /workspace',
      'CMD ["/bin/bash"]',
      `LABEL ${imageLabels.suite}=${SUITE}`,
      `LABEL ${imageLabels.packages}="${PACKAGES.join(' ')}"`,
    ],
  };
}

/** 12 hex digits over the whole recipe; the order of its lists counts. */
export function recipeHash(recipe: ImageRecipe): string {
  const canonical = JSON.stringify([
    recipe.suite,
    recipe.architecture,
    recipe.packages,
    recipe.finish,
    recipe.excludedPaths,
    recipe.changes,
  ]);
  return createHash('sha256').update(canonical).digest('hex').slice(0, 12);
}

export function imageTag(recipe: ImageRecipe): string {
  return `${IMAGE_REPOSITORY}:${recipeHash(recipe)}`;
}

export function mmdebstrapArguments(recipe: ImageRecipe, outputPath: string): string[] {
  return [
    '--quiet',
    '--variant=minbase',
    `--architectures=${recipe.architecture}`,
    `--include=${recipe.packages.join(',')}`,
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Retries "3"',
    ...recipe.excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...recipe.finish.map((command) => `--customize-hook=${command}`),
    recipe.suite,
    outputPath,
  ];
}
