// How agents are started.

import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import { expect, test } from 'vitest';
import { startScript } from './agent-profile.ts';
import { agentProfiles } from './agent-profiles.ts';
import { conversationBegun, conversationResumed } from './codex-protocol.ts';

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

test.each([true, false])('codex goes on with a conversation if it has it: %s', async (has) => {
  const scratch = await makeScratch('codex');
  try {
    const record = join(scratch.path, '.codex/sessions/2026/11/26');
    await mkdir(record, { recursive: true });
    await writeFile(join(record, `rollout-2026-11-26T13-00-00-${has ? 'thread-1' : 'thread-2'}.jsonl`), '');
    await writeFile(join(scratch.path, 'codex'), '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
    const script = startScript(agentProfiles.codex.start({ model: 'm', command: '' }, {}, 'thread-1'));
    const env = { HOME: scratch.path, PATH: `${scratch.path}:/usr/bin:/bin` };
    const [first, second] = execFileSync('sh', ['-c', script], { env, encoding: 'utf8' }).split('\n');
    expect(first).toBe(has ? conversationResumed : conversationBegun);
    expect(second).toMatch(has ? /^exec resume thread-1 --json .*-m m -$/ : /^exec --json .*-m m -$/);
  } finally {
    await scratch.remove();
  }
});

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
