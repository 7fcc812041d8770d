import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { newId } from '@worktrail/contract/ids';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Git, openGit } from './git-program.ts';
import { createRepositoryMirrors, type RepositoryMirrors } from './repository-mirror.ts';
import { makeRepository, noCredentials } from '../runner-bench.ts';
import { callGitAsChild } from '../host/git-call.ts';

let scratch: Scratch;
let git: Git;
let mirrors: RepositoryMirrors;
/** Of each call of the host's git. */
const calls: string[][] = [];
const nothing = async () => undefined;
const organizationId = newId('organization');
const projectId = newId('project');
const upstream = () => join(scratch.path, 'repositories', 'upstream');
const ask = (baseRef: string | null = null, url = upstream(), defaultBranch = 'main') =>
  mirrors.sync({ organizationId, projectId, repository: { url, defaultBranch }, baseRef });
const inUpstream = async (...args: string[]) =>
  (await git(upstream(), ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args])).trim();

async function commit(message: string): Promise<string> {
  await inUpstream('commit', '-q', '--allow-empty', '-m', message);
  return inUpstream('rev-parse', 'HEAD');
}

beforeAll(async () => {
  scratch = await makeScratch('mirror');
  const dataDirectory = join(scratch.path, 'data');
  git = await openGit(dataDirectory, callGitAsChild, new AbortController().signal);
  const counted: Git = (directory, args) => {
    calls.push(args);
    return git(directory, args);
  };
  const pins = { noteTips: nothing, keepLostTips: nothing, restore: nothing };
  const roots = { allowed: [join(scratch.path, 'repositories')], stateDirectory: dataDirectory, ssh: false };
  mirrors = createRepositoryMirrors({ dataDirectory, roots, git: counted, pins, credentials: noCredentials });
  await makeRepository(upstream());
});
afterAll(() => scratch.remove());

test('a branch, a tag, a commit and nothing at all lead to their commits', async () => {
  const main = await inUpstream('rev-parse', 'main');
  const feature = await inUpstream('rev-parse', 'feature/other');
  expect((await ask()).baseCommit).toBe(main);
  expect(await ask('feature/other')).toMatchObject({ baseCommit: feature, defaultCommit: main });
  expect((await ask('v1')).baseCommit).toBe(main);
  expect((await ask(feature)).baseCommit).toBe(feature);
  expect((await ask(feature.slice(0, 10))).baseCommit).toBe(feature);
});

test('a base ref that is not there, or is no name, is refused without git reading it as an option', async () => {
  for (const baseRef of ['nothing', 'main~1', '--upload-pack=id', 'main..v1', '@{-1}', 'a b', '', '0'.repeat(40)]) {
    await expect(ask(baseRef), baseRef).rejects.toMatchObject({ code: 'base_ref_not_found' });
  }
  await expect(ask(null, upstream(), 'trunk')).rejects.toMatchObject({ code: 'base_ref_not_found' });
});

test('a new session starts from what main is now, and from what it was rewritten to', async () => {
  const ahead = await commit('ahead');
  expect((await ask()).baseCommit).toBe(ahead);
  await inUpstream('reset', '-q', '--hard', 'HEAD~1');
  const other = await commit('other');
  const { baseCommit, objectsPath } = await ask();
  expect(baseCommit).toBe(other);
  // A session that started from the old tip still has its objects.
  expect(await git(join(objectsPath, '..'), ['cat-file', '-t', ahead])).toBe('commit\n');
});

test('twenty sessions at once share their fetches', async () => {
  await ask();
  calls.length = 0;
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
  expect(new Set(answers.map((answer) => answer.baseCommit)).size).toBe(1);
  const fetches = calls.filter(([command]) => command === 'fetch');
  expect(fetches.length).toBeGreaterThan(0);
  expect(fetches.length).toBeLessThanOrEqual(2);
});

test('organizations do not share a mirror', async () => {
  const { objectsPath } = await ask();
  const repository = { url: upstream(), defaultBranch: 'main' };
  const other = await mirrors.sync({ organizationId: newId('organization'), projectId, repository, baseRef: null });
  expect(other.objectsPath).not.toBe(objectsPath);
});

test('a shallow upstream is mirrored with its boundary', async () => {
  await commit('one more');
  const shallow = join(scratch.path, 'repositories', 'shallow');
  await git(scratch.path, ['clone', '-q', '--depth', '1', `file://${upstream()}`, shallow]);
  const tip = await inUpstream('rev-parse', 'main');
  expect(await ask(null, shallow)).toMatchObject({ baseCommit: tip, shallow: `${tip}\n` });
});

test('an upstream that borrows its objects is mirrored whole', async () => {
  const borrower = join(scratch.path, 'repositories', 'borrower');
  await git(scratch.path, ['clone', '-q', '--shared', upstream(), borrower]);
  const { objectsPath, baseCommit } = await ask(null, borrower);
  expect(await readdir(join(objectsPath, 'info'))).not.toContain('alternates');
  expect(await git(join(objectsPath, '..'), ['fsck', '--connectivity-only', baseCommit])).not.toContain('missing');
});

test('a directory that is no repository, and a server that does not answer, are unreachable, without their credentials', async () => {
  const empty = join(scratch.path, 'repositories', 'empty');
  await mkdir(empty);
  await writeFile(join(empty, 'file'), '');
  await expect(ask(null, empty)).rejects.toMatchObject({ code: 'repository_unreachable' });

  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const failure = await ask(null, `https://user:hunter2@127.0.0.1:${port}/a.git`).catch((error) => error);
  await new Promise((resolve) => server.close(resolve));
  expect(failure).toMatchObject({ code: 'repository_unreachable' });
  expect(failure.message).not.toContain('hunter2');
});

describe('a repository below the roots', () => {
  const outside = () => join(scratch.path, 'outside');
  const inside = (name: string) => join(scratch.path, 'repositories', name);
  beforeAll(() => makeRepository(outside()));

  test.each<[string, (path: string) => Promise<unknown>]>([
    ['a .git file', (path) => writeFile(join(path, '.git'), `gitdir: ${outside()}/.git\n`)],
    ['a .git symlink', (path) => symlink(join(outside(), '.git'), join(path, '.git'))],
    [
      'alternates',
      async (path) => {
        await git(path, ['init', '-q']);
        await writeFile(join(path, '.git/objects/info/alternates'), `${outside()}/.git/objects\n`);
        const commit = (await git(outside(), ['rev-parse', 'main'])).trim();
        await git(path, ['update-ref', 'refs/heads/main', commit]);
      },
    ],
    [
      'a common directory',
      async (path) => {
        await git(path, ['init', '-q']);
        await writeFile(join(path, '.git/commondir'), `${outside()}/.git\n`);
        await writeFile(join(path, '.git/gitdir'), `${path}/.git\n`);
      },
    ],
  ])('whose objects lie outside, by %s, is not allowed', async (name, make) => {
    const path = inside(`by ${name}`);
    await mkdir(path);
    await make(path);
    await expect(ask(null, path)).rejects.toMatchObject({ code: 'repository_not_allowed' });
  });

  test('that is a work tree of a repository outside is allowed: that one names it back', async () => {
    await git(outside(), ['worktree', 'add', '-q', '--detach', inside('linked')]);
    expect((await ask(null, inside('linked'))).baseCommit).toBe((await git(outside(), ['rev-parse', 'main'])).trim());
  });
});
