import { expect, test } from 'vitest';
import { comparePackages, describeMissing, packagedNodeProblem } from './bootstrap-checks.mjs';

test('a complete machine lacks nothing; each lack is named with what to install', () => {
  expect(describeMissing('20.11.0', 'linux', () => true)).toEqual([]);
  const lacks = describeMissing('18.19.0', 'linux', (program) => program !== 'git').join('\n');
  expect(lacks).toContain('Node 18.19.0 is too old');
  expect(lacks).toContain('apt-get install git');
});

test('packages are installed again when one is missing or of another version, and only then', () => {
  const wanted = {
    '': { dependencies: { a: '1' }, optionalDependencies: { b: '2' } },
    'node_modules/a': { version: '1.0.0', dependencies: { c: '1' } },
    'node_modules/b': { version: '2.0.0', optional: true },
    'node_modules/a/node_modules/c': { version: '1.0.0' },
    'node_modules/left-over': { version: '9.0.0' },
  };
  const a = { 'node_modules/a': { version: '1.0.0' } };
  const c = { 'node_modules/a/node_modules/c': { version: '1.0.0' } };
  expect(comparePackages(wanted, { ...a, ...c })).toBeNull();
  expect(comparePackages(wanted, a)).toBe('node_modules/a/node_modules/c is missing');
  expect(comparePackages(wanted, { ...c, 'node_modules/a': { version: '1.1.0' } })).toBe(
    'node_modules/a is 1.1.0, not 1.0.0',
  );
});

test('the Node of the packages must be 24', () => {
  expect(packagedNodeProblem('v24.21.0\n')).toBeNull();
  expect(packagedNodeProblem('v22.1.0')).toContain('not Node 24');
  expect(packagedNodeProblem(null)).toContain('allowScripts');
});
