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
    '': {},
    'node_modules/a': { version: '1.0.0' },
    'node_modules/b': { version: '2.0.0', optional: true },
  };
  expect(comparePackages(wanted, { 'node_modules/a': { version: '1.0.0' } })).toBeNull();
  expect(comparePackages(wanted, {})).toBe('node_modules/a is missing');
  expect(comparePackages(wanted, { 'node_modules/a': { version: '1.1.0' } })).toBe(
    'node_modules/a is 1.1.0, not 1.0.0',
  );
});

test('the Node of the packages must be 24', () => {
  expect(packagedNodeProblem('v24.21.0\n')).toBeNull();
  expect(packagedNodeProblem('v22.1.0')).toContain('not Node 24');
  expect(packagedNodeProblem(null)).toContain('allowScripts');
});
