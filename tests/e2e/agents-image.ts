// A sandbox image with real agents: the packages that a project's own image would have, from the registry, pinned.
//
// What is fetched stays beside the other tools of the tests, and the image in their engine.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { toolPath } from '@worktrail/testing/tool-paths';
import Docker from 'dockerode';

const run = promisify(execFile);

/** opencode-ai and @openai/codex only choose their program for this machine, which is a package of its own. */
const packages = [
  `opencode-linux-${process.arch}@1.18.33`,
  '@google/gemini-cli@0.61.0',
  `codex-linux@npm:@openai/codex@0.171.0-linux-${process.arch}`,
];

const dockerfile = (base: string) => `FROM ${base}
COPY node_modules /opt/agents/node_modules
COPY node /usr/local/bin/node
COPY gemini /usr/local/bin/gemini
RUN ln -s /opt/agents/node_modules/opencode-linux-${process.arch}/bin/opencode /usr/local/bin/opencode
RUN ln -s /opt/agents/node_modules/codex-linux/vendor/*/bin/codex /usr/local/bin/codex
`;
const gemini = '#!/bin/sh\nexec node /opt/agents/node_modules/@google/gemini-cli/bundle/gemini.js "$@"\n';

/** Answers its name. */
export async function prepareAgentsImage(socketPath: string): Promise<string> {
  const base = toolPath('WORKTRAIL_SANDBOX_IMAGE');
  const version = createHash('sha256')
    .update([base, gemini, dockerfile(base), ...packages].join('\n'))
    .digest('hex');
  const name = `worktrail-test-agents:${version.slice(0, 12)}`;
  const docker = new Docker({ socketPath });
  if (
    await docker
      .getImage(name)
      .inspect()
      .catch(() => undefined)
  )
    return name;
  const fetched = await fetchPackages();
  const context = await mkdtemp(join(tmpdir(), 'worktrail-agents-'));
  try {
    await writeFile(join(context, 'Dockerfile'), dockerfile(base));
    await writeFile(join(context, 'gemini'), gemini, { mode: 0o755 });
    const node = fileURLToPath(new URL('../../node_modules/node/bin/node', import.meta.url));
    await run('cp', ['-aL', node, join(context, 'node')]);
    await run('cp', ['-a', join(fetched, 'node_modules'), join(context, 'node_modules')]);
    await run('tar', ['-C', context, '-cf', `${context}.tar`, '.']);
    const stream = await docker.buildImage(`${context}.tar`, { t: name });
    await new Promise((resolve, reject) =>
      docker.modem.followProgress(stream, (error, lines) => {
        const failed = lines?.find(({ error: one }) => one)?.error ?? error;
        if (failed) reject(new Error(String(failed)));
        else resolve(lines);
      }),
    );
  } finally {
    await rm(context, { recursive: true, force: true });
    await rm(`${context}.tar`, { force: true });
  }
  return name;
}

async function fetchPackages(): Promise<string> {
  const tools = process.env['WORKTRAIL_TOOLS_DIR'] ?? join(tmpdir(), 'worktrail-test-tools');
  const version = createHash('sha256').update(packages.join('\n')).digest('hex').slice(0, 12);
  const kept = join(tools, `agents-${version}`);
  if (existsSync(kept)) return kept;
  await mkdir(tools, { recursive: true });
  const fresh = await mkdtemp(join(tools, 'agents-new-'));
  try {
    await writeFile(join(fresh, 'package.json'), '{"private":true}');
    const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional', '--save-exact'];
    await run('npm', ['install', '--prefix', fresh, ...options, ...packages], { timeout: 300_000 });
    await rename(fresh, kept);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
  // One that cannot be read would only fail in the sandbox.
  await readFile(join(kept, 'node_modules/@google/gemini-cli/package.json'));
  return kept;
}
