// What a sandbox image is made of: the packages it may have, and the labels that name them, so that an image with more packages can be
// made the same way.

/** A package, or one version of it as apt takes it: "tree=2.1.0-1". */
export const debianPackage = /^[a-z0-9][a-z0-9.+-]{1,99}(=[A-Za-z0-9.+:~-]{1,100})?$/;

export const imageLabels = {
  /** Names of Debian packages, separated by spaces. */
  packages: 'worktrail.packages',
  /** The Debian release, "bookworm". */
  suite: 'worktrail.suite',
} as const;
