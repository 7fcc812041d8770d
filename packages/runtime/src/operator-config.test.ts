import { expect, test } from 'vitest';
import { ConfigurationError } from './environment.ts';
import { effectiveEnvironment, parseOperatorConfig } from './operator-config.ts';

function problemsOf(text: string): readonly string[] {
  try {
    parseOperatorConfig(text, 'worktrail.yaml');
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

test('an absent file is a valid configuration', () => {
  expect(parseOperatorConfig('', 'worktrail.yaml').defaults.memoryMb).toBe(2_048);
});

test('every mistake is named at once with its path', () => {
  const problems = problemsOf('defaults:\n  cpus: lots\n  typo: 1\nceilings:\n  pids: -1\nunknown: true\n');
  expect(problems).toHaveLength(4);
  expect(problems.join('\n')).toContain('worktrail.yaml: defaults.cpus');
  expect(problems.join('\n')).toContain('worktrail.yaml: ceilings.pids');
  expect(problems.join('\n')).toContain('typo');
  expect(problems.join('\n')).toContain('unknown');
});

test('a file that is no YAML is one mistake that names the line', () => {
  expect(problemsOf('defaults: [')).toEqual([expect.stringContaining('worktrail.yaml: ')]);
});

test('a default over its ceiling is a mistake', () => {
  expect(problemsOf('defaults: {memoryMb: 4096}\nceilings: {memoryMb: 1024}\n')).toEqual([
    'worktrail.yaml: defaults.memoryMb: 4096 is over ceilings.memoryMb (1024)',
  ]);
});

test("a project's environment is filled with defaults and held under the ceilings", () => {
  const config = parseOperatorConfig(
    'ceilings: {memoryMb: 4096, networks: [none]}\nimages: {allowed: [team/*]}\n',
    'f',
  );
  const filled = effectiveEnvironment(config, { resources: { cpus: 3 } });
  expect(filled.problems).toEqual([]);
  expect(filled.environment.resources).toEqual({ cpus: 3, memoryMb: 2_048, pids: 512, outputBytesMax: 1024 ** 3 });
  const refused = effectiveEnvironment(config, {
    image: 'other/image',
    network: { mode: 'open' },
    resources: { memoryMb: 8_192 },
  });
  expect(refused.problems.map((problem) => problem.path)).toEqual(['resources.memoryMb', 'network.mode', 'image']);
});
