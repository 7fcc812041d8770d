import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import { describe, expect, it } from 'vitest';
import { loadWorkflowBundle } from './workflow-bundle.ts';

describe('the workflow bundle', () => {
  it('is made once and then taken from its directory', async () => {
    await using scratch = await makeScratch('bundle');
    const made = await loadWorkflowBundle(scratch.path);
    const [file, ...others] = await readdir(scratch.path);
    expect(others).toEqual([]);
    expect(await readFile(join(scratch.path, file!), 'utf8')).toBe(made.code);
    await writeFile(join(scratch.path, file!), 'what was kept');
    expect(await loadWorkflowBundle(scratch.path)).toEqual({ code: 'what was kept' });
  }, 120_000);

  it('holds neither zod nor protobuf, which would cost memory in every workflow', async () => {
    await using scratch = await makeScratch('bundle');
    const { code } = await loadWorkflowBundle(scratch.path);
    expect(code).not.toMatch(/node_modules\/(zod|@bufbuild)\//);
    expect(code).toMatch(/session\/workflow\.ts/);
  }, 120_000);
});
