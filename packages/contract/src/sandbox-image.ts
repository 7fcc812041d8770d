// Labels of a sandbox image that say what it was made of, so that an image with more packages can be made the same way.

export const imageLabels = {
  /** Names of Debian packages, separated by spaces. */
  packages: 'worktrail.packages',
  /** The Debian release, "bookworm". */
  suite: 'worktrail.suite',
} as const;
