import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Finding, suggestionKinds, suggestionLimits, suggestionStates } from '@worktrail/contract/suggestions';
import { locateEvidence } from './locate-evidence.ts';
import { digestOf, treeLines } from './repository-digest.ts';
import { chooseFindings, scanCommit } from './scan-commit.ts';
import { commitFiles } from './scans-fixture.ts';

const contents = {
  'README.md': '# It\n\u001b[2Jhello\n',
  'a.ts': '// TODO: one\n',
  'b.ts': 'export function work() {\n  // TODO: two\n}\n',
};

test('what is known is told of without being found anew where it was decided', async () => {
  const files = await commitFiles(contents);
  const first = scanCommit(files, []);
  expect(first.findings.map(({ title }) => title)).toEqual(['TODO: one', 'TODO: two']);
  const [one, two] = first.findings;
  const known = (finding: Finding, state: 'open' | 'dismissed') => ({ ...finding, path: 'a.ts', state, title: '' });
  const again = scanCommit(files, [known(one!, 'dismissed'), known(two!, 'open')]);
  expect(again.findings.map(({ title }) => title)).toEqual(['TODO: two']);
  expect(again.seen.toSorted()).toEqual([one!.fingerprint, two!.fingerprint].toSorted());
});

test('what a model has said stands as long as its file does', async () => {
  const told = { kind: 'model' as const, state: 'open' as const, title: 'x' };
  const known = [
    { ...told, fingerprint: 'there', path: 'a.ts' },
    { ...told, fingerprint: 'gone', path: 'c.ts' },
  ];
  expect(scanCommit(await commitFiles(contents), known).seen).toEqual(['there']);
});

const finding = fc
  .record({ kind: fc.constantFrom(...suggestionKinds), number: fc.nat(400), score: fc.integer({ min: 0, max: 10 }) })
  .map(
    ({ kind, number, score }): Finding => ({
      ...{ kind, fingerprint: `${kind} ${number}`, title: 't', description: '' },
      ...{ score: score / 10, evidence: [], output: null },
    }),
  );

test('of each kind no more are open than may be; nothing decided is among them; the best of the new ones come first', () => {
  fc.assert(
    fc.property(
      fc.array(finding, { maxLength: 300 }),
      fc.array(fc.constantFrom(...suggestionStates)),
      (found, states) => {
        const unique = [...new Map(found.map((one) => [one.fingerprint, one])).values()];
        const known = unique
          .slice(0, states.length)
          .map((one, index) => ({ ...one, state: states[index]!, path: '', title: '' }));
        const stateOf = new Map(known.map(({ fingerprint, state }) => [fingerprint, state]));
        const { findings, left } = chooseFindings(found, known);
        const isNew = (one: Finding) => [undefined, 'resolved'].includes(stateOf.get(one.fingerprint));
        expect(new Set(findings.map((one) => one.fingerprint)).size).toBe(findings.length);
        expect(findings.filter((one) => !isNew(one) && stateOf.get(one.fingerprint) !== 'open')).toEqual([]);
        for (const kind of suggestionKinds) {
          const open = known.filter((one) => one.kind === kind && one.state === 'open').length;
          const chosen = findings.filter((one) => one.kind === kind);
          const fresh = unique.filter((one) => one.kind === kind && isNew(one));
          expect(chosen.length).toBeLessThanOrEqual(Math.max(open, suggestionLimits.perKindMax));
          expect(chosen.length - open + (left[kind] ?? 0)).toBe(fresh.length);
          const worst = Math.min(...chosen.filter(isNew).map(({ score }) => score));
          const missed = fresh.filter((one) => !chosen.some(({ fingerprint }) => fingerprint === one.fingerprint));
          for (const one of missed) if (chosen.some(isNew)) expect(one.score).toBeLessThanOrEqual(worst);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a claim is believed where the commit has the file and its lines', async () => {
  const files = await commitFiles(contents);
  const claim = (path: string, firstLine: number, lastLine: number) => ({ path, firstLine, lastLine });
  const claims = [
    claim('b.ts', 2, 3),
    claim('b.ts', 1, 1),
    claim('a.ts', 1, 1),
    claim('c.ts', 1, 1),
    claim('a.ts', 1, 2),
    claim('a.ts', 0, 1),
  ];
  const located = locateEvidence(files, claims);
  expect(located.map((one) => one?.evidence.path ?? null)).toEqual(['b.ts', 'b.ts', 'a.ts', null, null, null]);
  expect(located[0]!.fingerprint).toBe(located[1]!.fingerprint);
  expect(located[0]!.fingerprint).not.toBe(located[2]!.fingerprint);
});

test('a model is told the files by name and the README, plain and bounded', async () => {
  const { files, tree, readme } = digestOf(await commitFiles(contents));
  expect({ files, tree, readme }).toEqual({
    files: 3,
    tree: 'README.md\na.ts\nb.ts',
    readme: { path: 'README.md', text: '# It\nhello' },
  });
  const many = Array.from({ length: 3_000 }, (_, index) => `src/part-${index % 30}/file-${index}.ts`);
  const lines = treeLines(many);
  expect(lines.length).toBe(30);
  expect(lines[0]).toBe('src/part-0/ (100 files)');
});
