/** What a backup says of itself: `manifest.json`, the list of its files with their sums, and what is to be found again in it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

export const MANIFEST = 'manifest.json';
const VERSION = 1;

const count = z.int().min(0);
const streamSchema = z.object({
  name: z.string().regex(/^[\w-]{1,200}$/),
  config: z.looseObject({ metadata: z.record(z.string(), z.string()).optional() }),
  state: z.looseObject({ messages: count, bytes: count, first_seq: count, last_seq: count }),
  created: z.string(),
});

export const manifestSchema = z.object({
  version: z.literal(VERSION),
  createdAt: z.string(),
  temporalNamespace: z.string(),
  /** Whether what is sealed can be opened with what is in it. */
  hasSecretsKey: z.boolean(),
  streams: z.array(streamSchema),
  /** In the copy of ClickHouse are no fewer and no more. */
  events: z.object({ min: count, max: count }),
  /** What the histories of some sessions come to. */
  sessions: z.array(
    z.object({
      organizationId: z.string(),
      sessionId: z.string(),
      partition: count,
      upTo: z.object({ epoch: count, sequence: count }),
      events: count,
      sha256: z.string(),
    }),
  ),
  /** Artifacts that were named when the streams were saved, and gone before they could be. */
  artifactsMissing: z.array(z.string()),
  files: z.record(z.string(), z.object({ bytes: count, sha256: z.string() })),
});

export type Manifest = z.infer<typeof manifestSchema>;

export function newManifest(content: Omit<Manifest, 'version'>): Manifest {
  return { version: VERSION, ...content };
}

/** All files below a directory but the manifest, by their path in it. @throws for what is neither file nor directory. */
export async function sumFiles(directory: string): Promise<Manifest['files']> {
  const files: Manifest['files'] = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(directory.length + 1);
    if (entry.isDirectory() || name === MANIFEST) continue;
    if (!entry.isFile()) throw new Error(`${name} is no file`);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    files[name] = { bytes: (await stat(path)).size, sha256: hash.digest('hex') };
  }
  return files;
}

/** What differs; empty where nothing does. */
export function differences(expected: Manifest['files'], found: Manifest['files']): string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...names].sort().flatMap((name) => {
    if (!found[name]) return [`${name} is missing`];
    if (!expected[name]) return [`${name} is not in the manifest`];
    return expected[name].sha256 === found[name].sha256 ? [] : [`${name} is not what was saved`];
  });
}
