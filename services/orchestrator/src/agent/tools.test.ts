// What a model asks for, and what is made of it.

import { expect, it } from 'vitest';
import { tools, toolUse } from './tools.ts';

const use = (tool: string, inputJson: string) => toolUse({ id: 'c', tool, inputJson });

it('what fits is to be done, with what was left out filled in', () => {
  expect(use('run_command', '{"command":"ls"}')).toMatchObject({ kind: 'command', cwd: '', timeoutSeconds: 600 });
  expect(use('read_file', '{"path":"a"}')).toMatchObject({
    kind: 'files',
    use: { tool: 'read_file', path: 'a', firstLine: 1, lines: 1_000 },
  });
  expect(use('search_context', '{"query":"q"}')).toMatchObject({
    kind: 'context',
    use: { tool: 'search_context', query: 'q', path: null, language: null, limit: 10 },
  });
  expect(use('finish', '{}').kind).toBe('finish');
});

it.each([
  ['no_such', '{}', 'there is no tool of that name'],
  ['toString', '{}', 'there is no tool of that name'],
  ['__proto__', '{}', 'there is no tool of that name'],
  ['run_command', 'ls', 'no JSON'],
  ['run_command', '', 'no JSON'],
  ['run_command', '[]', 'does not fit'],
  ['run_command', '{"command":""}', 'does not fit'],
  ['run_command', '{"command":"ls","sudo":true}', 'sudo'],
  ['run_command', '{"command":"ls","timeoutSeconds":-1}', 'does not fit'],
  ['read_file', '{"path":"a","lines":1e9}', 'does not fit'],
  // No program could be given it, however often it is tried.
  ['run_command', '{"command":"echo \\u0000"}', 'NUL'],
  ['search_text', '{"pattern":"a\\u0000b"}', 'NUL'],
  ['list_files', '{"path":"\\ud800"}', 'well-formed'],
  ['search_symbols', '{"query":"q","limit":1000}', 'does not fit'],
  [
    'update_plan',
    `{"items":[${'{"text":"x","state":"open"},'.repeat(60)}{"text":"x","state":"open"}]}`,
    'does not fit',
  ],
])('%s with %s is refused, and says why', (tool, input, why) => {
  const refused = use(tool, input);
  expect(refused).toMatchObject({ kind: 'refused', tool, inputJson: input });
  expect(refused.kind === 'refused' && refused.detail).toContain(why);
});

it('a command is bounded in bytes', () => {
  const refused = use('run_command', JSON.stringify({ command: 'é'.repeat(70_000) }));
  expect(refused).toMatchObject({ kind: 'refused', detail: expect.stringContaining('bytes') as string });
});

it('each is described, with a schema that a model can be given', () => {
  for (const [name, { description }] of Object.entries(tools)) {
    expect(name).toMatch(/^[a-z_]{1,40}$/);
    expect(description.length).toBeGreaterThan(20);
  }
});
