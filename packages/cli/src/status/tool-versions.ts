// Versions of the programs a cluster runs beside its own, as their directories in the state directory name them.

import { readdir } from 'node:fs/promises';

const named = /^([a-z][a-z-]*?)-(\d+(?:\.\d+)+)$/;

/** "temporal-1.9.1" → temporal 1.9.1. Empty where the tools are kept elsewhere. */
export function toolVersions(names: readonly string[]): Record<string, string> {
  const matches = names.flatMap((name) => {
    const match = named.exec(name);
    return match ? [[match[1]!, match[2]!] as const] : [];
  });
  return Object.fromEntries(matches);
}

export async function readToolVersions(toolsDirectory: string): Promise<Record<string, string>> {
  return toolVersions(await readdir(toolsDirectory).catch(() => []));
}
