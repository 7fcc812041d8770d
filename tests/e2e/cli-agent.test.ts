// The command line with an agent: what is asked, seen, answered and stopped, and what the exit code tells. The model is scripted.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from '@worktrail/client';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { showAgentTurn } from '../../deploy/local/src/demo/agent-turn.ts';
import { AGENT_MESSAGE } from '../../deploy/local/src/model/agent-script.ts';
import { answerTo, responseOf } from '../../deploy/local/src/model/scripted-model.ts';
import { createStyle } from '../../deploy/local/src/terminal.ts';
import { type Api, createApi } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
let model: LLMock;
let cluster: RunningTestCluster;
let api: Api;
let projectId: string;
let sessionId: string;

beforeAll(async () => {
  model = new LLMock({ port: 0 });
  await model.start();
  cluster = await startTestCluster('cli-agent', {
    ...process.env,
    WORKTRAIL_MODEL_URL: `${model.url}/v1`,
    WORKTRAIL_MODEL_DEFAULT: 'custom/scripted',
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'cli-agent'), 5);
  projectId = (await api.make('/v1/projects', { name: 'agents', repository: { url: repository.path } })).id;
  sessionId = (await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Ask' })).id;
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

interface Started {
  child: ChildProcessWithoutNullStreams;
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Resolves once this has been printed, on either stream. */
  printed(text: string): Promise<void>;
}

function start(command: string, args: readonly string[]): Started {
  const child = spawn(command, args, {
    env: { ...process.env, WORKTRAIL_HOME: cluster.stateDirectory, NO_COLOR: '1', TERM: 'xterm' },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const closed = once(child, 'close');
  const printed = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => (output.stdout + output.stderr).includes(text) && resolve();
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      void closed.then(() => reject(new Error(`never printed ${JSON.stringify(text)}: ${JSON.stringify(output)}`)));
      look();
    });
  return { child, printed, ended: closed.then(([code]) => ({ code: code as number | null, ...output })) };
}

const worktrail = (...args: string[]) => start(process.execPath, [program, ...args]);

async function worktrailWith(input: string, ...args: string[]) {
  const started = worktrail(...args);
  started.child.stdin.end(input);
  return await started.ended;
}

const call = (name: string, input: object) => ({ name, arguments: JSON.stringify(input) });

test('ask gives the answer on stdout, what was done for it on stderr, and exits 0 when the turn is completed', async () => {
  const hostile = 'Two\u001b]0;owned\u0007\u001b[2J files\u202e.';
  model.on(
    { userMessage: 'how many files', hasToolResult: false },
    {
      content: 'I count them.',
      reasoning: 'ls will do',
      toolCalls: [call('run_command', { command: 'printf "\\033[2Jone\\ntwo\\n"' })],
    },
  );
  model.on({ userMessage: 'how many files', hasToolResult: true }, { content: hostile });
  const { code, stdout, stderr } = await worktrailWith('', 'ask', sessionId, 'how many files?');
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'I count them.\nTwo files\ufffd.\n' });
  expect(stderr).toContain('→ run_command  $ printf');
  expect(stderr).toContain('    one\n    two\n  exited 0 ');
  expect(stderr).toMatch(/completed \(2 steps, \d+ tokens, /);
  expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
});

test('the exit code tells how a turn ended, and --json all of it', async () => {
  model.on({ userMessage: 'without an end' }, { toolCalls: [call('run_command', { command: 'true' })] });
  const limited = await worktrailWith('', 'ask', sessionId, 'without an end', '--max-steps', '2');
  expect(limited.code).toBe(121);
  expect(limited.stderr).toContain('limit reached: steps (2 steps');
  const failed = await worktrailWith('', 'ask', '--model', 'nobody/none', sessionId, 'hello');
  expect(failed.code).toBe(110);
  expect(failed.stderr).toContain('failed: there is no model "nobody/none"');
  model.on({ userMessage: 'a greeting' }, { content: 'Hello.' });
  const json = await worktrailWith('a greeting\n', '--json', 'ask', sessionId, '-');
  expect(json.code).toBe(0);
  expect(JSON.parse(json.stdout)).toMatchObject({ sessionId, text: 'Hello.', turn: { outcome: 'completed' } });
  const lines = (await worktrailWith('', 'ask', '--jsonl', sessionId, 'a greeting')).stdout.trim().split('\n');
  const types = lines.map((line) => JSON.parse(line).type);
  expect([types[0], types.at(-1)]).toEqual(['turn.started', 'turn.ended']);
});

test('Ctrl-C cancels the turn, with what its tools run', async () => {
  model.on(
    { userMessage: 'wait for ever' },
    { toolCalls: [call('run_command', { command: 'echo begun; sleep 600' })] },
  );
  const asking = worktrail('ask', sessionId, 'wait for ever');
  await asking.printed('    begun');
  asking.child.kill('SIGINT');
  const { code, stderr } = await asking.ended;
  expect(code).toBe(120);
  expect(stderr).toContain('canceling the turn');
});

test('a project gets a session, of which turns lists and shows what was said', async () => {
  model.on({ userMessage: 'what is this' }, { content: 'A repository.' });
  const asked = await worktrailWith('', 'ask', 'agents', 'what is this?');
  expect(asked).toMatchObject({ code: 0, stdout: 'A repository.\n' });
  const made = /^session (ses_\w+)$/m.exec(asked.stderr)![1]!;
  const table = await worktrailWith('', 'turns', made);
  expect(table.stdout).toMatch(/^TURN .*\ntrn_\w+ +completed .*what is this\?\n$/);
  const turnId = /trn_\w+/.exec(table.stdout)![0];
  const shown = await worktrailWith('', 'turns', 'show', made, turnId);
  expect(shown.stdout).toContain('\n> what is this?\nA repository.\n');
  const history = await worktrailWith('', 'logs', made);
  expect(history.stdout).toMatch(/message\.user +> what is this\?/);
  expect(history.stdout).toMatch(/turn\.ended +completed +1 step/);
});

test('chat without a terminal: each line is a message, and a session is entered with what was said before', async () => {
  model.on({ userMessage: 'the first' }, { content: 'One.' });
  model.on({ userMessage: 'the second' }, { content: 'Two.' });
  const chat = await worktrailWith('the first\n\n/turns\nthe second\n', 'chat', 'agents');
  expect(chat).toMatchObject({ code: 0, stderr: '' });
  expect(chat.stdout).toMatch(/session ses_\w+\nOne\.\ncompleted \(.*\nTURN .*\n.*the first\nTwo\.\ncompleted /);
  const made = /ses_\w+/.exec(chat.stdout)![0];
  const again = await worktrailWith('', 'chat', made);
  expect(again.stdout).toContain('> the first\nOne.\n> the second\nTwo.\n');
});

test('what the agent has to ask for is asked in the chat, and from elsewhere', async () => {
  model.on(
    { userMessage: 'may you', hasToolResult: false },
    { toolCalls: [call('run_command', { command: 'echo may' })] },
  );
  model.on({ userMessage: 'may you', hasToolResult: true }, { content: 'I have asked.' });
  const allowed = await worktrailWith('may you?\na\n', 'chat', '--ask', 'execute', sessionId);
  expect(allowed.stdout).toMatch(/asks whether it may \(execute\): [^]*echo may[^]* {4}may\n[^]*I have asked\./);
  const denied = await worktrailWith('may you?\nd\n', 'chat', '--ask', 'execute', sessionId);
  expect(denied.stdout).toMatch(/permission\.answered: deny/);
  expect(denied.stdout).not.toContain('    may\n');
  const asking = worktrail('ask', '--ask', 'execute', sessionId, 'may you?');
  await asking.printed(' allow   (or deny)');
  const turns = (await api.get(`/v1/sessions/${sessionId}/turns?limit=200`)).body.items;
  const permission = `${turns.at(-1).id}-p1`;
  expect((await worktrailWith('', 'permission', sessionId, permission, 'allow')).code).toBe(0);
  expect(await asking.ended).toMatchObject({ code: 0, stdout: 'I have asked.\n' });
});

/** Python's pty: what it reads is typed, what is printed comes out. */
const pseudoTerminal = 'import os,pty,sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';

test('chat on a terminal: the answer as it comes, Ctrl-C cancels the turn, Ctrl-D leaves', async () => {
  model.on({ userMessage: 'say much' }, { content: 'word '.repeat(200) });
  model.on({ userMessage: 'sleep then' }, { toolCalls: [call('run_command', { command: 'echo asleep; sleep 600' })] });
  const chat = start('python3', ['-c', pseudoTerminal, process.execPath, program, 'chat', sessionId]);
  await chat.printed('/help says what else there is');
  chat.child.stdin.write('say much\r');
  await chat.printed('completed (1 step');
  chat.child.stdin.write('sleep then\r');
  await chat.printed('    asleep');
  chat.child.stdin.write('\u0003');
  await chat.printed('canceled: requested');
  chat.child.stdin.write('\u0004');
  expect((await chat.ended).code).toBe(0);
});

test("the demonstration's agent looks, writes, tests, mends and explains, in a repository that it has never seen", async () => {
  model.on({ userMessage: AGENT_MESSAGE }, ({ messages }) => responseOf(answerTo(messages)));
  const path = join(cluster.stateDirectory, 'demonstration.txt');
  const output = createWriteStream(path);
  await once(output, 'open');
  const stage = {
    api: createClient(cluster),
    style: createStyle(false),
    write: (text: string) => void output.write(text),
    terminalWidth: undefined,
    signal: new AbortController().signal,
  };
  const turn = await showAgentTurn(stage, { projectId, stateDirectory: cluster.stateDirectory }, output);
  await promisify(output.end.bind(output))();
  const printed = await readFile(path, 'utf8');
  expect(turn?.completed, printed).toBe(true);
  expect(printed).toMatch(
    /The model is scripted[^]*FAILED \(failures=1\)[^]*\n {4}OK\n[^]*1 files, 0 links that lead nowhere/,
  );
  expect(printed).toMatch(/\nadded .*tools\/check_links\.py\n/);
});
