// The workflow code, bundled once: by webpack, which takes a second or two, or from a directory where it was kept.
//
// 1. A kept bundle is used only for the very sources it was made from: its name is the hash of all of them and of the SDK's version.
// 2. It appears there whole (written beside, then renamed), and older ones go.

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

const namePattern = /^workflows-[0-9a-f]{64}\.js$/;
const keptBundlesMax = 3;

export interface WorkflowBundle {
  code: string;
}

/** `cacheDirectory`: where bundles are kept between starts; undefined: nowhere. */
export async function loadWorkflowBundle(cacheDirectory: string | undefined): Promise<WorkflowBundle> {
  if (cacheDirectory === undefined) return await makeBundle();
  const name = `workflows-${await hashSources()}.js`;
  const path = join(cacheDirectory, name);
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return { code: kept };
  const bundle = await makeBundle();
  await keep(cacheDirectory, name, bundle.code);
  return bundle;
}

async function makeBundle(): Promise<WorkflowBundle> {
  return await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    preloadModules: [fileURLToPath(new URL('./stack-trace-limit.ts', import.meta.url))],
    logger: new DefaultLogger('WARN'),
  });
}

async function keep(directory: string, name: string, code: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const unfinished = join(directory, `${name}.${process.pid}.tmp`);
  await writeFile(unfinished, code);
  await rename(unfinished, join(directory, name));
  const others = (await readdir(directory)).filter((other) => namePattern.test(other) && other !== name).sort();
  for (const other of others.slice(keptBundlesMax - 1)) await rm(join(directory, other), { force: true });
}

/** Of every source a workflow can import: this service's, the contract's, and the packages from outside by their versions. */
async function hashSources(): Promise<string> {
  const hash = createHash('sha256');
  const contract = dirname(fileURLToPath(import.meta.resolve('@worktrail/contract/ids')));
  for (const directory of [fileURLToPath(new URL('.', import.meta.url)), contract]) {
    for (const file of (await sourceFiles(directory)).sort()) {
      hash
        .update(`${file.slice(directory.length)}\0`)
        .update(await readFile(file))
        .update('\0');
    }
  }
  const require = createRequire(import.meta.url);
  hash.update(await readFile(require.resolve('@temporalio/workflow/package.json')));
  return hash.digest('hex');
}

async function sourceFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}
