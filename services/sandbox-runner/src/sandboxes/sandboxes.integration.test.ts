import type { OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import { execFile } from 'node:child_process';
import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SandboxGone } from '../commands/command-execution.ts';
import {
  activityRun,
  makeRepository,
  newCommand,
  newSession,
  outputOf,
  plainEnvironment,
  type RunnerBench,
  startRunnerBench,
} from '../runner-bench.ts';
import { RunnerDraining } from './sandboxes.ts';
import { StaleGeneration } from '../sessions/session-failure.ts';

let bench: RunnerBench;
beforeAll(async () => {
  bench = await startRunnerBench('sandboxes');
});
afterAll(() => bench.close());

const { signal } = new AbortController();
const open = (session: ReturnType<typeof newSession>) => bench.parts().sandboxes.open(session, signal);

const output = (session: OpenSandboxInput, text: string) => bench.output(session, text);

/** Containers, volumes and directories of sessions on this runner. */
async function everything(): Promise<string[]> {
  const { driver, directories } = bench.parts();
  const [containers, volumes, sessions] = await Promise.all([
    driver.listContainers(),
    driver.listVolumes(),
    directories.list(),
  ]);
  return [...containers.map((one) => one.id), ...volumes.map((one) => one.name), ...sessions].toSorted();
}

test('a session opens on its own branch at the newest main and runs a command whose events are in the stream', async () => {
  const session = newSession(bench);
  const main = (await bench.git(['rev-parse', 'main'])).trim();
  expect(await open(session)).toEqual({ from: 'new', baseCommit: main, headCommit: main, notKept: [] });

  const command = newCommand(session, 'git status --short --branch; cat README.md; id -u; echo $HOME');
  const result = await bench.parts().commands.run(command, activityRun());
  expect(result).toMatchObject({ outcome: 'exited', exitCode: 0, stderrBytes: 0 });
  const events = await bench.events(command);
  const cases = events.map((event) => event.payload.case);
  expect(cases.slice(0, 3)).toEqual(['commandQueued', 'commandStarted', 'commandOutput']);
  expect(cases.at(-1)).toBe('commandEnded');
  expect(events.map((event) => Number(event.number))).toEqual(events.map((_, index) => index + 1));
  expect(outputOf(events).toString()).toBe(`## ${session.branch}\n# upstream\n1000\n/home/worktrail\n`);
});

test('a command is confined: no capability, no network, no writing outside of its own places', async () => {
  const session = newSession(bench);
  await open(session);
  expect(await output(session, 'grep -E "^(CapEff|CapPrm|CapBnd|NoNewPrivs)" /proc/self/status')).toMatch(
    /^CapPrm:\t0+\nCapEff:\t0+\nCapBnd:\t0{14}e0\nNoNewPrivs:\t1\n$/,
  );
  expect(await output(session, 'ls /sys/class/net')).toBe('lo\n');
  const places = '/ /etc /usr /worktrail /worktrail/run /worktrail/upstream/objects /worktrail/supervisor';
  const tried = `for p in ${places}; do touch $p/x 2>/dev/null || echo x 2>/dev/null >> $p || echo -n n; done`;
  expect(await output(session, tried)).toBe('nnnnnnn');
  expect(await output(session, 'ls /worktrail/run 2>&1 | grep -c "Permission denied"')).toBe('1\n');
  expect(await output(session, 'for p in /tmp ~ .; do touch $p/x && echo -n y; done')).toBe('yyy');
  const inspected = 'for l in memory.max memory/memory.limit_in_bytes; do cat /sys/fs/cgroup/$l 2>/dev/null; done';
  expect(await output(session, inspected)).toBe(`${512 * 1024 * 1024}\n`);
});

test('a command that fills /tmp runs into its end, and memory runs out for a command before the supervisor', async () => {
  const session = newSession(bench);
  await open(session);
  expect(
    await output(
      session,
      'head -c 600M /dev/zero > /tmp/full 2>/dev/null; echo $?; touch x && rm /tmp/full && echo free',
    ),
  ).toBe('1\nfree\n');
  const scores = (await output(session, 'cat /proc/1/oom_score_adj /proc/self/oom_score_adj')).trim().split('\n');
  expect(Number(scores[1])).toBeGreaterThan(Number(scores[0]));
});

test('a fork bomb that a command left behind does not keep the next ones from starting', async () => {
  const session = newSession(bench);
  await open(session);
  const bomb = 'bomb() { bomb & bomb & wait; }; bomb 2> /tmp/noise & until [ -s /tmp/noise ]; do :; done';
  expect(await output(session, bomb)).toBe('');
  const pipeline = () => output(session, "exec sh -c '(echo it; echo runs) 2> /dev/null | cat 2> /dev/null'");
  await expect.poll(pipeline).toBe('it\nruns\n');
});

test('a repository of SHA-256 objects opens like any other', async () => {
  const path = join(bench.path, 'repositories', 'sha256');
  await makeRepository(path, 'sha256');
  const session = newSession(bench);
  Object.assign(session, { repository: { url: path, defaultBranch: 'main' } });
  expect((await open(session)).baseCommit).toMatch(/^[0-9a-f]{64}$/);
  expect(await output(session, 'cat README.md; git commit -q --allow-empty -m more && git log --oneline | wc -l')).toBe(
    '# upstream\n2\n',
  );
});

test('opening again is answered the same, also by the next runner process, and files survive it', async () => {
  const session = newSession(bench);
  const opened = await open(session);
  await output(session, 'echo mine > mine.txt');
  expect(await open(session)).toEqual(opened);
  await bench.restart();
  expect(await open(session)).toEqual(opened);
  expect(await output(session, 'cat mine.txt')).toBe('mine\n');
});

test('a stopped sandbox comes back with its files and tells what was committed meanwhile', async () => {
  const session = newSession(bench);
  const opened = await open(session);
  await output(session, 'echo new > new.txt; git add . && git commit -qm new; echo ignored > ~/home.txt');
  await bench.parts().sandboxes.stop(session.sessionId);
  await expect(bench.parts().commands.run(newCommand(session, 'true'), activityRun())).rejects.toThrow(SandboxGone);
  const next = { ...session, generation: 2, filesGeneration: 1 };
  const reopened = await open(next);
  expect(reopened).toMatchObject({ from: 'volume', baseCommit: opened.baseCommit });
  expect(await output(next, 'git rev-parse HEAD; cat ~/home.txt')).toBe(`${reopened.headCommit}\nignored\n`);
  expect(reopened.headCommit).not.toBe(opened.baseCommit);
});

test('a generation that is over is refused, and its removal removes nothing', async () => {
  const session = newSession(bench, { generation: 2 });
  await open(session);
  const old = { ...session, generation: 1 };
  await expect(open(old)).rejects.toThrow(StaleGeneration);
  await bench.parts().sandboxes.remove(old);
  expect(await output(session, 'echo there')).toBe('there\n');
});

test('twenty sessions opened at once have their own branches, and none sees the files of another', async () => {
  const organizationId = newSession(bench).organizationId;
  const sessions = Array.from({ length: 20 }, () => newSession(bench, { organizationId }));
  await Promise.all(sessions.map(open));
  await Promise.all(
    sessions.map((session) => output(session, `echo ${session.sessionId} > own.txt; touch /tmp/${session.sessionId}`)),
  );
  const seen = await Promise.all(
    sessions.map((session) =>
      output(session, 'git branch --show-current; cat own.txt; ls /tmp; ls /workspace | wc -l'),
    ),
  );
  expect(seen).toEqual(sessions.map(({ branch, sessionId }) => `${branch}\n${sessionId}\n${sessionId}\n3\n`));
  await Promise.all(sessions.map((session) => bench.parts().sandboxes.remove(session)));
  const left = await everything();
  for (const { sessionId } of sessions) expect(left.filter((name) => name.includes(sessionId))).toEqual([]);
});

test('an opening that fails leaves nothing behind', async () => {
  const before = await everything();
  const failures = [
    { changes: { baseRef: 'no-such-ref' }, code: 'base_ref_not_found' },
    { changes: { repository: { url: '/etc', defaultBranch: 'main' } }, code: 'repository_not_allowed' },
    { changes: { environment: { ...plainEnvironment, image: 'localhost:9/none:1' } }, code: 'image_unavailable' },
    { changes: { environment: { ...plainEnvironment, runtime: 'runsc' as const } }, code: 'runtime_unavailable' },
    { changes: { environment: { ...plainEnvironment, packages: ['NO'] } }, code: 'packages_failed' },
    {
      changes: {
        environment: {
          ...plainEnvironment,
          runtime: 'runsc' as const,
          network: { mode: 'restricted' as const, allow: [] },
        },
      },
      code: 'network_mode_unsupported',
    },
  ];
  for (const { changes, code } of failures) {
    await expect(open(newSession(bench, changes)), code).rejects.toMatchObject({ code });
  }
  expect(await everything()).toEqual(before);
});

test.each([
  ['missing', (object: string) => rm(object)],
  ['damaged', (object: string) => chmod(object, 0o600).then(() => writeFile(object, 'damaged'))],
])('a repository with a file whose object is %s is told to be unreadable', async (kind, spoil) => {
  const path = join(bench.path, 'repositories', kind);
  await makeRepository(path);
  const { stdout } = await promisify(execFile)('git', ['rev-parse', 'HEAD:README.md'], { cwd: path });
  await spoil(join(path, '.git', 'objects', stdout.slice(0, 2), stdout.slice(2).trim()));
  const session = newSession(bench, { repository: { url: path, defaultBranch: 'main' } });
  await expect(open(session)).rejects.toMatchObject({
    code: 'repository_unreachable',
    message: expect.stringContaining(stdout.trim()),
  });
});

test('an image without git is told to be unsuitable and leaves nothing behind', async () => {
  const image = `worktrail-test-empty:${bench.clusterId}`;
  const before = await everything();
  await bench.makeEmptyImage(image);
  try {
    const environment = { ...plainEnvironment, image };
    await expect(open(newSession(bench, { environment }))).rejects.toMatchObject({ code: 'image_unsuitable' });
    expect(await everything()).toEqual(before);
  } finally {
    await bench.removeImage(image);
  }
});

test('what a killed runner left half made is made anew, also when it died before it knew the container', async () => {
  for (const known of [true, false]) {
    const session = newSession(bench);
    const directory = bench.parts().directories.at(session.sessionId);
    await open(session);
    const record = (await directory.readRecord())!;
    await output(session, 'touch half-made');
    const containerId = known ? record.containerId : null;
    await directory.writeRecord({ ...record, state: 'creating', workspaceReady: false, opened: null, containerId });
    await bench.restart();
    expect(await open(session)).toMatchObject({ from: 'new' });
    expect(await output(session, 'ls half-made 2>&1 | wc -l; git status --short')).toBe('1\n');
  }
});

test('removing a session removes a container that its record does not know', async () => {
  const session = newSession(bench);
  const directory = bench.parts().directories.at(session.sessionId);
  await open(session);
  const record = (await directory.readRecord())!;
  await directory.writeRecord({ ...record, state: 'creating', containerId: null });
  await bench.restart();
  await bench.parts().sandboxes.remove(session);
  const { driver } = bench.parts();
  const left = [...(await driver.listContainers()), ...(await driver.listVolumes())];
  expect(left.filter((one) => one.sessionId === session.sessionId)).toEqual([]);
});

test('a volume that is gone is said to be lost, instead of starting over', async () => {
  const session = newSession(bench);
  await open(session);
  const { sandboxes, driver } = bench.parts();
  await sandboxes.stop(session.sessionId);
  for (const volume of await driver.listVolumes()) {
    if (volume.sessionId === session.sessionId && volume.name.endsWith('workspace'))
      await driver.removeVolume(volume.name);
  }
  await expect(open({ ...session, generation: 2, filesGeneration: 1 })).rejects.toMatchObject({
    code: 'workspace_lost',
  });
  await sandboxes.remove({ ...session, generation: 2 });
  expect(await readdir(join(bench.path, 'data', 'sessions'))).not.toContain(session.sessionId);
});

test('a runner that is told to stop takes away what it was just opening', async () => {
  const before = await everything();
  const session = newSession(bench);
  const opening = open(session);
  const refused = expect(opening).rejects.toThrow(RunnerDraining);
  await bench.parts().sandboxes.drain();
  await refused;
  expect(await everything()).toEqual(before);
  await bench.restart();
  expect(await open(session)).toMatchObject({ from: 'new' });
});
