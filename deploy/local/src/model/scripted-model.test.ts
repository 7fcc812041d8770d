import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runProgram } from '../run-program.ts';
import { AGENT_MESSAGE, agentStep, EDIT, PROGRAM, TEST } from './agent-script.ts';
import { answerTo, type Message, startScriptedModel } from './scripted-model.ts';

const user = (content: unknown): Message => ({ role: 'user', content });

test('the script goes on from what stands in the conversation, and ends by itself', () => {
  const messages: Message[] = [
    { role: 'system', content: '' },
    user('hello'),
    { role: 'assistant' },
    user(AGENT_MESSAGE),
  ];
  const tools: string[][] = [];
  for (let step = 0; ; step += 1) {
    const { calls = [], content } = answerTo(messages);
    tools.push(calls.map(({ name }) => name));
    if (calls.some(({ name }) => name === 'finish')) {
      expect(content).toContain('it says: 7 files, 2 links that lead nowhere.');
      break;
    }
    messages.push({ role: 'assistant' });
    for (const _ of calls)
      messages.push({ role: 'tool', content: '{"output":"7 files, 2 links that lead nowhere\\n"}' });
    expect(step).toBeLessThan(5);
  }
  expect(tools.flat()).toEqual(
    expect.arrayContaining(['read_file', 'write_file', 'run_command', 'edit_file', 'finish']),
  );
});

test('to anything else it says that it is scripted, and how to have a real model', () => {
  for (const messages of [
    [],
    [user('hello')],
    [user(AGENT_MESSAGE), { role: 'assistant' }, user([{ type: 'text' }])],
  ]) {
    const { content, calls } = answerTo(messages);
    expect([content, calls]).toEqual([expect.stringMatching(/scripted model[^]*ANTHROPIC_API_KEY/), undefined]);
  }
  expect(agentStep(99, '')).toBeUndefined();
});

test("the program's own test finds what the script then mends", { timeout: 60_000 }, async () => {
  const directory = await mkdtemp('/tmp/wt-script-');
  const testsPass = async (program: string) => {
    await writeFile(join(directory, 'check_links.py'), program);
    const { exitCode } = await runProgram('python3', ['-B', '-m', 'unittest', 'check_links_test'], {
      cwd: directory,
      timeoutMs: 50_000,
    });
    return exitCode === 0;
  };
  try {
    await writeFile(join(directory, 'check_links_test.py'), TEST);
    expect(PROGRAM.split(EDIT.find)).toHaveLength(2);
    expect(await testsPass(PROGRAM)).toBe(false);
    expect(await testsPass(PROGRAM.replace(EDIT.find, EDIT.replace))).toBe(true);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('it answers on loopback like an OpenAI-compatible server, streaming', async () => {
  const model = await startScriptedModel();
  try {
    const body = { model: 'scripted', stream: true, messages: [user(AGENT_MESSAGE)] };
    const response = await fetch(`${model.url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    expect(new URL(model.url).hostname).toBe('127.0.0.1');
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(text).toMatch(/reasoning[^]*run_command[^]*\[DONE\]/);
  } finally {
    await model.stop();
  }
});
