// What is kept of the terminals of an agent, and that each is given out as ended once; the supervisor is its link, scripted.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { EndFrame, JournalFrame } from '../supervision/journal-format.ts';
import type { CommandSpec } from '../supervision/supervisor-request.ts';
import { type AgentTerminals, createAgentTerminals, textOf } from './agent-terminals.ts';

let scratch: Scratch;
beforeAll(async () => {
  scratch = await makeScratch('terminals');
  mkdirSync(join(scratch.path, 'requests'));
  writeFileSync(join(scratch.path, 'requests', 'agt_1'), 'worktrail-request=1\0env=A=of=agent\0env=B=kept\0end=\0');
});
afterAll(() => scratch.remove());

const command = { command: 'ls', args: [], env: { A: 'own' }, cwd: null, outputBytes: null };

function output(text: string): JournalFrame {
  return { type: 'output', timeNs: 0n, stream: 'stdout', offset: 0, position: 0, bytes: Buffer.from(text) };
}

function end(changes: Partial<EndFrame> = {}): JournalFrame {
  return {
    type: 'end',
    outcome: 'exited',
    exitCode: 0,
    signal: null,
    reason: '',
    outputTruncated: false,
    ...changes,
  } as EndFrame;
}

/** `frames`: of each terminal, in the order in which they are opened; without an end they run. */
function open(frames: JournalFrame[][]) {
  const specs: CommandSpec[] = [];
  const canceled: string[] = [];
  const left = new AbortController();
  const link = {
    start: async (spec: CommandSpec) => void specs.push(spec),
    async *follow() {
      yield* frames[specs.length - 1]!;
      if (frames[specs.length - 1]!.at(-1)?.type !== 'end') await new Promise(() => undefined);
    },
    ack: async () => undefined,
    cancel: async (id: string) => void canceled.push(id),
  };
  const sandbox = {
    link,
    directory: { runPath: scratch.path },
    record: { shell: '/bin/sh' },
  } as unknown as OpenSandbox;
  const place = { sandbox, turnId: 'trn_1', processId: 'agt_1', workTree: '/workspace' };
  return { terminals: createAgentTerminals(place, left.signal), specs, canceled };
}

async function takeEnded(terminals: AgentTerminals): Promise<number | undefined> {
  await new Promise<void>((resolve) => terminals.onEnded(resolve));
  return terminals.takeEnded();
}

it('a terminal has the environment of its agent, its own variables over it, and is named by its turn', async () => {
  const { terminals, specs } = open([[end()]]);
  expect(await terminals.open(1, { ...command, cwd: 'below' }, false)).toBeUndefined();
  expect(await terminals.open(1, command, false)).toBeUndefined();
  expect(specs).toHaveLength(1);
  expect(specs[0]).toMatchObject({
    ...{ id: expect.stringMatching(/^trm_[0-9a-z]{26}$/), argv: ['/bin/sh', '-c', 'ls'], cwd: '/workspace/below' },
    env: { A: 'own', B: 'kept', WORKTRAIL_COMMAND_ID: specs[0]!.id },
  });
  expect(await takeEnded(terminals)).toBe(1);
  expect(terminals.takeEnded()).toBeUndefined();
});

it.each(['/etc', '..', 'below/../..', '/workspacer'])('one in %s is not opened', async (cwd) => {
  const { terminals, specs } = open([[end()]]);
  expect(await terminals.open(1, { ...command, cwd }, false)).toBe('cwd is not below /workspace');
  expect(specs).toEqual([]);
});

it('with arguments it is that program', async () => {
  const { terminals, specs } = open([[end()]]);
  await terminals.open(1, { ...command, args: ['-l', 'a b'] }, false);
  expect(specs[0]!.argv).toEqual(['ls', '-l', 'a b']);
});

it('what is kept of its output is the end, and how it ended is told', async () => {
  const killed = end({ outcome: 'canceled', exitCode: null, signal: 15, reason: 'asked' });
  const { terminals } = open([['one ', 'two ', 'three'].map(output).concat(killed)]);
  await terminals.open(1, { ...command, outputBytes: 7 }, false);
  await takeEnded(terminals);
  expect(terminals.read(1)).toEqual({
    ...{ output: 'o three', truncated: true, reason: 'canceled: asked' },
    exit: { exitCode: null, signal: 'SIGTERM' },
  });
});

it('so many run at a time; those that a runner before has opened are opened all the same', async () => {
  const { terminals, canceled, specs } = open(Array.from({ length: 20 }, () => [output('up')]));
  for (let one = 1; one <= 16; one += 1) expect(await terminals.open(one, command, false)).toBeUndefined();
  expect(await terminals.open(17, command, false)).toBe('16 terminals are running already');
  expect(terminals.read(17)).toBeUndefined();
  expect(await terminals.open(17, command, true)).toBeUndefined();
  await terminals.end(3);
  expect(canceled).toEqual([specs[2]!.id]);
});

it('its output is whole characters, wherever it is cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(), fc.nat(), (text, from, to) => {
      const bytes = Buffer.from(text.replaceAll('\uFEFF', '').replaceAll('\uFFFD', ''));
      const [first, last] = [Math.min(from, to), Math.max(from, to)]
        .map((at) => at % (bytes.length + 1))
        .toSorted((a, b) => a - b);
      const shown = textOf(bytes.subarray(first, last), first! > 0, false);
      expect(bytes.toString('utf8')).toContain(shown);
    }),
  );
});
