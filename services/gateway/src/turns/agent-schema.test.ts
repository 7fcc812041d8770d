// What a request may say to an agent, and of it.

import { expect, test } from 'vitest';
import { fieldErrors } from '../http/body.ts';
import { createTrialSchema, startTaskSchema } from '../trials/schemas.ts';
import { agentSchema } from './agent-schema.ts';
import { messageText } from './message-text.ts';

const wrong = (read: { success: boolean; error?: { issues: Parameters<typeof fieldErrors>[0] } }) =>
  read.success ? [] : fieldErrors(read.error!.issues).map(({ path, message }) => `${path}: ${message}`);

test.each(['', ' ', ' \n\t\r', '\u00a0\ufeff'])('a message of %j says nothing, and is none', (blank) => {
  expect(wrong(messageText.safeParse(blank))).toEqual([': must say something']);
  expect(wrong(createTrialSchema.safeParse({ attempts: [{ message: 'x' }, { message: blank }] }))).toEqual([
    'attempts.1.message: must say something',
  ]);
  expect(wrong(startTaskSchema.safeParse({ message: blank }))).toEqual(['message: must say something']);
});

test('what stands around what a message says is its own', () => {
  expect(messageText.parse('\n  x \n')).toBe('\n  x \n');
});

test('a model has a name, where one is named', () => {
  expect(wrong(agentSchema.safeParse({ model: '' }))).toEqual([expect.stringContaining('model: ')]);
  expect(agentSchema.safeParse({ model: 'a/b' }).success).toBe(true);
});
