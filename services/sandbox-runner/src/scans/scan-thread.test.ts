import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeTestRepository, type TestRepository } from '../context/context-fixture.ts';
import { buildIndex } from '../context/index-building.ts';
import { openRepositoryObjects } from '../context/repository-objects.ts';
import { removeSegment, segmentNames } from '../context/segment-files.ts';
import { createSymbolParser } from '../context/symbol-parser.ts';
import { createScanThread } from './scan-activities.ts';
import type { ScanAnswer, ScanRequest } from './scan-thread.ts';

const { signal } = new AbortController();
const thread = createScanThread();
let scratch: Scratch;
let repository: TestRepository;

beforeAll(async () => {
  scratch = await makeScratch('scan-thread');
  repository = await makeTestRepository(join(scratch.path, 'repository'));
});
afterAll(async () => {
  await thread.close();
  await scratch.remove();
});

async function index(files: Record<string, string>) {
  const at = {
    repository: repository.gitDirectory,
    directory: join(scratch.path, randomUUID()),
    commit: await repository.commit(files),
  };
  const objects = openRepositoryObjects(at.repository);
  const parser = createSymbolParser();
  const onProgress = () => undefined;
  await buildIndex(
    { objects, parser, newId: randomUUID, onProgress, signal },
    { ...at, keptCommits: [], plainBlobs: [] },
  );
  return at;
}

async function scan(at: ScanRequest['at']) {
  const answer = (await thread.ask({ at, do: 'scan', known: [] } satisfies ScanRequest, signal)) as ScanAnswer;
  if (answer.do !== 'scan') throw new Error('not a scan');
  return answer.result;
}

test('what the index has of a commit is scanned: text, and definitions with their lines and what they are in', async () => {
  const at = await index({
    'a.ts': `export class Store {\n  open() {\n${'    step();\n'.repeat(100)}  }\n}\n`,
    'same/b.py': '# TODO: once\n',
    'same/c.py': '# TODO: once\n',
    [`${'long/'.repeat(120)}d.py`]: '# TODO: too deep\n',
    'app.min.js': '// TODO: minified\n',
  });
  const { commit, complete, findings } = await scan(at);
  expect({ commit, complete }).toEqual({ commit: at.commit, complete: true });
  expect(
    findings.map(({ kind, title, evidence: [one] }) => [kind, title, one!.path, one!.firstLine, one!.lastLine]),
  ).toEqual(
    expect.arrayContaining([
      ['large_function', 'Store.open has 102 lines', 'a.ts', 2, 103],
      ['missing_test', 'No test names a.ts', 'a.ts', 1, 104],
      ['todo', 'TODO: once', 'same/b.py', 1, 1],
      ['todo', 'TODO: once', 'same/c.py', 1, 1],
    ]),
  );
  expect(findings).toHaveLength(4);
});

test('where a part of the index is lost meanwhile the scan says that it is not complete', async () => {
  const at = await index({ 'e.py': '# TODO: lost\n' });
  for (const name of segmentNames(at.directory)) removeSegment(at.directory, name);
  expect(await scan(at)).toMatchObject({ complete: false, findings: [] });
});
