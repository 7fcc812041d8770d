// What is written as loose objects is what git itself would have written.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { makeScratch } from '@worktrail/testing/scratch';
import { expect, test } from 'vitest';
import { commitOf, treeOf, writeObject } from './loose-objects.ts';

const run = promisify(execFile);

test.each(['sha1', 'sha256'])(
  'a blob, a tree and a commit have the ids of git, and git reads them (%s)',
  async (format) => {
    await using scratch = await makeScratch('loose');
    const git = async (...args: string[]) => (await run('git', ['-C', scratch.path, ...args])).stdout;
    await git('init', '-q', '--bare', `--object-format=${format}`);
    const like = '0'.repeat(format === 'sha1' ? 40 : 64);
    const content = Buffer.from('ü\0binary\r\n');
    const blob = await writeObject(scratch.path, like, 'blob', content);
    expect(await writeObject(scratch.path, like, 'blob', content)).toBe(blob);
    const tree = await writeObject(scratch.path, blob, 'tree', treeOf('manifest.json', blob));
    const first = { tree, parents: [], message: 'first', createdMs: 1_700_000_000_999 };
    const parent = await writeObject(scratch.path, tree, 'commit', commitOf(first, 'W <w@example.org>'));
    const second = { tree, parents: [parent, parent], message: 'Checkpoint 2', createdMs: 1_700_000_001_000 };
    const commit = await writeObject(scratch.path, tree, 'commit', commitOf(second, 'W <w@example.org>'));
    expect(await git('ls-tree', commit)).toBe(`100644 blob ${blob}\tmanifest.json\n`);
    expect(await git('log', '-1', '--format=%P|%an|%ae|%at|%ct|%B', commit)).toBe(
      `${parent} ${parent}|W|w@example.org|1700000001|1700000001|Checkpoint 2\n\n`,
    );
    expect(await git('fsck', '--strict', '--no-dangling')).toBe('');
    expect(await git('count-objects')).toMatch(/^4 objects/);
  },
);
