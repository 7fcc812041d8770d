// What a hostile sandbox can hand over, with a script that hands it over.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLogger } from '@worktrail/runtime/log';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { createCheckpointDirectory } from './checkpoint-directory.ts';
import { openSessionStore, type SessionStore } from './session-store.ts';
import { recordWorkspace } from './workspace-recording.ts';
import { startAsChild } from '../host/program-start.ts';

const { signal } = new AbortController();
const env = { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
const who = Object.fromEntries(
  ['AUTHOR', 'COMMITTER'].flatMap((role) => [
    [`GIT_${role}_NAME`, 'a'],
    [`GIT_${role}_EMAIL`, 'a@b'],
  ]),
);
const shell = async (cwd: string, text: string) =>
  (await promisify(execFile)('sh', ['-euc', text], { cwd, env: { ...env, ...who } })).stdout.trim();

let path: string;
let baseCommit: string;
let store: SessionStore;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'recording-'));
  await shell(
    path,
    'git init -q upstream; cd upstream; echo 1 > file; git add .; git commit -qm base; git clone -q . ../elsewhere',
  );
  baseCommit = await shell(path, 'git -C upstream rev-parse HEAD');
  await createCheckpointDirectory(path, process.getuid!());
  store = await openSessionStore(
    { start: startAsChild, sessionPath: path, upstreamObjects: join(path, 'upstream/.git/objects'), baseCommit },
    signal,
  );
});
afterEach(() => rm(path, { recursive: true, force: true }));

/** Hands over what the shell leaves as `out.pack` in its directory, and claims the carrier it prints. */
async function handOver(text: string, packBytesMax = 1e9) {
  let attempts = 0;
  const sandbox = { directory: { path }, record: { sessionId: 'x' }, lost: signal } as unknown as OpenSandbox;
  const deps = {
    script: async () => {
      attempts += 1;
      const carrier = await shell(
        join(path, 'checkpoints/work'),
        `rm -rf out.pack; OUT=$PWD/out.pack; cd ${path}/elsewhere; ${text}`,
      );
      const stdout = `fingerprint ${'1'.repeat(40)}\nhead \nheadref refs/heads/x\ncarrier ${carrier}\n`;
      return { end: { outcome: 'exited', exitCode: 0, reason: '' }, stdout, stderr: '' } as never;
    },
    limits: { fileBytesMax: 1e6, packBytesMax, diskReserveBytes: 0, timeoutMs: 10_000 },
    sandboxUser: process.getuid!(),
    clock: Date.now,
    log: createLogger({ service: 'test', level: 'silent' }),
  };
  const request = { baseCommit, carrier: null, fingerprint: null };
  const recorded = await recordWorkspace(deps, sandbox, store, request, signal).catch((error: Error) => error.name);
  return { recorded, attempts };
}

const carrier =
  'printf "100644 blob %s\\tleft-out\\n040000 tree %s\\twork\\n" $LEFT $TREE | git mktree --missing > t; K=$(git commit-tree $(cat t) -m x); echo $K';
const whole =
  'LEFT=$(printf "" | git hash-object -w --stdin); TREE=$(printf "100644 blob %s\\tx\\n" $(echo 2 | git hash-object -w --stdin) | git mktree)';
const pack = `{ echo $K; echo ^${'${BASE}'}; } | git pack-objects -q --revs --thin --stdout > $OUT`;
const withBase = (text: string) => `BASE=${baseCommit}; ${text}`;

test('a carrier that is whole is taken in', async () => {
  const { recorded, attempts } = await handOver(withBase(`${whole}; ${carrier}; ${pack}`));
  expect(attempts).toBe(1);
  expect(recorded).toMatchObject({ changed: true, notKept: [], headCommit: null, headRef: 'refs/heads/x' });
});

test.each([
  ['nothing', 'echo 0'],
  ['a link to another file', 'ln -s /etc/hostname $OUT; echo 0'],
  ['a link to a pack that would do', `${whole}; ${carrier}; ${pack}; mv $OUT $OUT.real; ln -s $OUT.real $OUT`],
  ['a FIFO', 'mkfifo $OUT; echo 0'],
  ['a directory', 'mkdir $OUT; echo 0'],
  ['no pack', `echo PACK > $OUT; echo ${'1'.repeat(40)}`],
  ['a pack that is cut off', `${whole}; ${carrier}; ${pack}; truncate -s -10 $OUT`],
  [
    'a carrier without the objects that it names',
    `${whole}; TREE=${'2'.repeat(40)}; ${carrier}; echo $K | git pack-objects -q --stdout > $OUT`,
  ],
  [
    'a tree with a repository in it',
    `${whole}; TREE=$(printf "100644 blob %s\\t.git\\n" $LEFT | git mktree); ${carrier}; ${pack}`,
  ],
  ['no commit', `${whole}; echo $TREE; { echo $TREE; } | git pack-objects -q --revs --stdout > $OUT`],
  [
    'a list without end',
    `${whole}; LEFT=$(head -c 3000000 /dev/zero | git hash-object -w --stdin); ${carrier}; ${pack}`,
  ],
])('a sandbox that hands over %s is refused', async (_, text) => {
  const { recorded, attempts } = await handOver(withBase(text));
  expect(recorded).toBe('RecordingFailed');
  expect(attempts).toBe(3);
  await expect(store.git(['for-each-ref'], { signal })).resolves.toEqual(Buffer.alloc(0));
});

test('a pack over its limit is not even read', async () => {
  const text = `${whole}; LEFT=$(head -c 90000 /dev/urandom | git hash-object -w --stdin); ${carrier}; ${pack}`;
  expect(await handOver(withBase(text), 50_000)).toMatchObject({ recorded: 'RecordingFailed' });
});
