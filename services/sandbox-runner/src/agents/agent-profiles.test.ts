// How agents are started.

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { startScript } from './agent-profile.ts';
import { agentProfiles } from './agent-profiles.ts';

test.each(Object.entries(agentProfiles))(
  '%s is started by a script that sh can read, whatever the model is called',
  (_, profile) => {
    const model = `it's "$(touch x)" \`y\``;
    for (const variables of [{}, { OPENAI_BASE_URL: 'http://127.0.0.1:20480/v1', OPENAI_API_KEY: 'k' }]) {
      const script = startScript(profile.start({ model, command: 'true' }, variables, `o'ther`));
      expect(() => execFileSync('sh', ['-n', '-c', script])).not.toThrow();
    }
  },
);

test('the model endpoint of the sandbox is what opencode uses', () => {
  const variables = { OPENAI_BASE_URL: 'http://127.0.0.1:20480/v1', OPENAI_API_KEY: 'k' };
  const { files } = agentProfiles.opencode.start({ model: 'm', command: '' }, variables, null);
  expect(JSON.parse(files['opencode.json']!)).toMatchObject({
    model: 'worktrail/m',
    provider: { worktrail: { options: { baseURL: variables.OPENAI_BASE_URL } } },
    permission: { edit: 'ask', bash: 'ask' },
  });
});

test('opencode that is told no model chooses one by itself', () => {
  const variables = { OPENAI_BASE_URL: 'http://127.0.0.1:20480/v1', OPENAI_API_KEY: 'k' };
  const { files } = agentProfiles.opencode.start({ model: '', command: '' }, variables, null);
  expect(Object.keys(JSON.parse(files['opencode.json']!))).toEqual(['permission', 'autoupdate', 'share']);
});
