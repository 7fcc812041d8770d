/**
 * What the first start makes through the public API: an organization, its first key, and a project for the cloned repository.
 *
 * Each is made once per state directory. Requests carry idempotency keys, so that a start that was cut short does not make a second
 * organization. The key is kept with mode 0600; nothing else keeps it.
 */
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { createClient } from '@worktrail/client';
import { z } from 'zod';
import { runProgram } from './run-program.ts';
import { writeAtomically } from './write-atomically.ts';

const recordSchema = z.object({ organizationId: z.string(), projectId: z.string().nullable() });

export type FirstStartRecord = z.infer<typeof recordSchema>;

export interface FirstStartInput {
  apiUrl: string;
  operatorToken: string;
  clusterId: string;
  secretsDirectory: string;
  recordPath: string;
  /** Gets a project; undefined for none. */
  repositoryDirectory: string | undefined;
  note: (text: string) => void;
}

export interface Access extends FirstStartRecord {
  apiKey: string;
  isFirstStart: boolean;
}

export async function ensureAccess(input: FirstStartInput): Promise<Access> {
  const keyPath = join(input.secretsDirectory, 'api-key');
  const kept = await readRecord(input.recordPath);
  const keptKey = await readFile(keyPath, 'utf8').catch(() => '');
  if (kept && keptKey.trim()) return { ...kept, apiKey: keptKey.trim(), isFirstStart: false };
  const { organizationId, apiKey } = await createOrganization(input);
  await writeAtomically(keyPath, `${apiKey}\n`, 0o600);
  const projectId = input.repositoryDirectory ? await createProject(input, input.repositoryDirectory, apiKey) : null;
  await writeAtomically(input.recordPath, `${JSON.stringify({ organizationId, projectId })}\n`, 0o600);
  return { organizationId, projectId, apiKey, isFirstStart: true };
}

async function readRecord(path: string): Promise<FirstStartRecord | null> {
  try {
    return recordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}

async function createOrganization(input: FirstStartInput): Promise<{ organizationId: string; apiKey: string }> {
  const operator = createClient({ apiUrl: input.apiUrl, apiKey: input.operatorToken });
  const answer = await operator.organizations.create(
    { name: 'local', principal: { name: userInfo().username, kind: 'user' } },
    { idempotencyKey: `first-start-${input.clusterId}` },
  );
  return { organizationId: answer.organization.id, apiKey: answer.key.secret };
}

async function createProject(input: FirstStartInput, directory: string, apiKey: string): Promise<string | null> {
  const branch = await currentBranch(directory);
  if (branch === null) {
    input.note(`${directory} is no git repository with a commit on a branch: it gets no project.`);
    return null;
  }
  const client = createClient({ apiUrl: input.apiUrl, apiKey });
  const body = { name: basename(directory), repository: { url: directory, defaultBranch: branch } };
  return (await client.projects.create(body, { idempotencyKey: `first-start-${input.clusterId}` })).id;
}

/** Null when there is no repository, no commit, or a detached HEAD. */
async function currentBranch(directory: string): Promise<string | null> {
  const git = (...args: string[]) => runProgram('git', ['-C', directory, ...args], { timeoutMs: 10_000 });
  const commit = await git('rev-parse', '--verify', '--quiet', 'HEAD^{commit}').catch(() => null);
  if (commit?.exitCode !== 0) return null;
  const branch = await git('symbolic-ref', '--quiet', '--short', 'HEAD');
  return branch.exitCode === 0 ? branch.stdout.trim() : null;
}
