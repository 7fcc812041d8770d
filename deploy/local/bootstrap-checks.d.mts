interface LockEntry {
  version?: string;
  optional?: boolean;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}
type Packages = Record<string, LockEntry>;

export function describeMissing(
  nodeVersion: string,
  platform: string,
  hasProgram: (program: string) => boolean,
): string[];
export function installedPackagesProblem(root: string): string | null;
export function comparePackages(wanted: Packages, installed: Packages): string | null;
export function packagedNodeProblem(version: string | null): string | null;
