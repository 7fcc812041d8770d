import { startScriptedModel } from '@worktrail/testing/scripted-model';
import { expect, test } from 'vitest';
import { answerOf, isScripted, turnScript } from './turn-workload.ts';

test('a note in the user’s name, as that the sandbox was restored, does not take the turn from its script', async () => {
  const { text, answers } = turnScript('one');
  await using model = await opened();
  const asked = async (messages: object[]) => {
    const answer = await fetch(model.url, { method: 'POST', body: JSON.stringify({ model: 'scripted', messages }) });
    return await answer.text();
  };
  await asked([{ role: 'user', content: text }]);
  const second = await asked([
    { role: 'user', content: text },
    { role: 'assistant', content: 'I begin.' },
    { role: 'tool', content: '{}' },
    { role: 'user', content: 'The files of the sandbox are as of a checkpoint.' },
  ]);
  expect(model.asked.map(({ text: of, step, results }) => ({ of, step, results: results.length }))).toEqual([
    { of: text, step: 1, results: 0 },
    { of: text, step: 2, results: 1 },
  ]);
  for (const { tool } of answers[1]!.calls) expect(second).toContain(tool);
});

async function opened() {
  const model = await startScriptedModel({ answer: answerOf, isMessage: isScripted });
  return { ...model, [Symbol.asyncDispose]: () => model.close() };
}
