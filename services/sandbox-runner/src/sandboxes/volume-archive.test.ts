import { execFile } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkMembers, MemberRefused } from './tar-members.ts';
import { ArchiveTooLarge, archivePersisted, archiveVolumes, extractVolumes } from './volume-archive.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const limits = { bytesMax: 10_000_000, signal };
let scratch: Scratch;
beforeEach(async () => {
  scratch = await makeScratch('volume-archive');
});
afterEach(() => scratch.remove());

async function volumes(name: string): Promise<{ workspace: string; home: string }> {
  // As an engine keeps them: out of reach of the sandbox's user but through the container.
  const made = { workspace: join(scratch.path, name, 'w.[1]*', '_data'), home: join(scratch.path, name, 'h', '_data') };
  for (const path of Object.values(made)) {
    await mkdir(path, { recursive: true });
    await chown(path, 1000, 1000);
  }
  await chmod(join(scratch.path, name), 0o700);
  return made;
}

async function give(path: string): Promise<void> {
  await run('chown', ['-hR', '1000:1000', path]);
}

/** Node's own recursive listing goes through links. */
async function below(path: string): Promise<string[]> {
  const { stdout } = await run('find', [path, '-mindepth', '1', '-printf', '%P\\0']);
  return stdout.split('\0').slice(0, -1).toSorted();
}

/** Of everything below: type, mode, owner, time, size or target. */
async function listing(path: string): Promise<string[]> {
  return Promise.all(
    (await below(path)).map(async (name) => {
      const at = join(path, name);
      const found = await lstat(at);
      const target = found.isSymbolicLink() ? await readlink(at) : '';
      const content = found.isFile() ? (await readFile(at)).toString('base64').slice(0, 100) : '';
      return [
        name,
        found.mode.toString(8),
        found.uid,
        found.isDirectory() ? '' : found.mtimeMs,
        found.size,
        target,
        content,
      ].join(' ');
    }),
  );
}

async function fill({ workspace, home }: { workspace: string; home: string }): Promise<void> {
  await mkdir(join(workspace, '.git', 'deep'), { recursive: true });
  await writeFile(join(workspace, '.git', 'deep', 'config'), 'a config');
  await writeFile(join(workspace, '-rf\n odd, name'), 'odd');
  await writeFile(join(workspace, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(join(workspace, 'secret'), 'none may read it', { mode: 0o000 });
  await symlink('/etc/passwd', join(workspace, 'passwd'));
  await symlink('../../outside', join(workspace, '.git', 'up'));
  await link(join(workspace, 'run.sh'), join(workspace, 'run-too.sh'));
  await mkdir(join(workspace, 'locked'), { mode: 0o700 });
  await writeFile(join(workspace, 'locked', 'in'), 'x');
  await chmod(join(workspace, 'locked'), 0o500);
  await writeFile(join(home, '.profile'), 'a profile');
  await run('truncate', ['-s', '20M', join(home, 'sparse')]);
  await run('mkfifo', [join(workspace, 'pipe')]);
  await give(workspace);
  await give(home);
  await utimes(join(workspace, 'run.sh'), 1_700_000_000.125, 1_700_000_000.125);
}

test('what was in the volumes comes back with modes, times and links, and neither pipes nor what links lead to', async () => {
  const from = await volumes('from');
  await fill(from);
  const path = join(scratch.path, 'archive');
  await archiveVolumes(from, path, limits);
  const to = await volumes('to');
  await extractVolumes(path, to, signal);
  await rm(join(from.workspace, 'pipe'));
  expect(await listing(to.workspace)).toEqual(await listing(from.workspace));
  expect(await listing(to.home)).toEqual(await listing(from.home));
  expect((await lstat(join(to.workspace, 'run-too.sh'))).ino).toBe((await lstat(join(to.workspace, 'run.sh'))).ino);
  expect((await lstat(join(to.home, 'sparse'))).blocks).toBeLessThan(1_000);
});

test('what lies too deep for its path to be opened is counted, and the rest is archived', async () => {
  const from = await volumes('from');
  await writeFile(join(from.workspace, 'kept'), 'kept');
  const name = 'd'.repeat(200);
  await run('sh', ['-c', `for i in $(seq 1 25); do mkdir ${name} && cd -P ${name} || exit 1; done; echo x > deep`], {
    cwd: from.workspace,
  });
  await give(from.workspace);
  const path = join(scratch.path, 'archive');
  const { pathsTooLong } = await archiveVolumes(from, path, limits);
  expect(pathsTooLong).toBeGreaterThan(1);
  const to = await volumes('to');
  await extractVolumes(path, to, signal);
  expect(await readFile(join(to.workspace, 'kept'), 'utf8')).toBe('kept');
  const found = await below(to.workspace);
  expect(found).toContain(Array.from({ length: 15 }, () => name).join('/'));
  expect(found.length + pathsTooLong).toBe(27);
  await run('rm', ['-rf', from.workspace]);
});

test('an archive over its limit is refused, whether compressed or by what it would grow to', async () => {
  const from = await volumes('from');
  const path = join(scratch.path, 'archive');
  await run('sh', ['-c', 'head -c 3000000 /dev/urandom > random'], { cwd: from.workspace });
  await expect(archiveVolumes(from, path, { bytesMax: 1_000_000, signal })).rejects.toThrow(ArchiveTooLarge);
  await run('sh', ['-c', 'head -c 3000000 /dev/zero > random'], { cwd: from.workspace });
  await expect(archiveVolumes(from, path, { bytesMax: 20_000, signal })).rejects.toThrow(ArchiveTooLarge);
  await archiveVolumes(from, path, { bytesMax: 1_000_000, signal });
});

test('of persisted paths only those are kept that lie in the volumes, with no link on the way', async () => {
  const from = await volumes('from');
  await mkdir(join(from.workspace, 'cache', 'deep'), { recursive: true });
  await writeFile(join(from.workspace, 'cache', 'deep', 'kept'), 'kept');
  await writeFile(join(from.workspace, 'other'), 'other');
  await symlink('/etc', join(from.workspace, 'etc'));
  await writeFile(join(from.home, '.tool'), 'tool');
  await give(join(scratch.path, 'from'));
  const persist = ['cache/deep', '~/.tool', 'etc/passwd', '../x', '/etc/passwd', 'missing', 'other/below', 'etc'];
  const path = join(scratch.path, 'archive');
  expect(await archivePersisted(from, persist, path, limits)).toMatchObject({ kept: ['cache/deep', '~/.tool', 'etc'] });
  const to = await volumes('to');
  // What is in the way of a directory gives way, instead of leading out of the volume.
  await mkdir(join(scratch.path, 'outside'));
  await give(join(scratch.path, 'outside'));
  await symlink(join(scratch.path, 'outside'), join(to.workspace, 'cache'));
  await extractVolumes(path, to, signal);
  expect(await below(to.workspace)).toEqual(['cache', 'cache/deep', 'cache/deep/kept', 'etc']);
  expect(await readdir(to.home)).toEqual(['.tool']);
  expect(await readdir(join(scratch.path, 'outside'))).toEqual([]);
  expect(await archivePersisted(from, ['missing'], `${path}.none`, limits)).toMatchObject({ kept: [] });
  expect(existsSync(`${path}.none`)).toBe(false);
});

test('an archive cannot leave the volume it is extracted to', async () => {
  const tree = join(scratch.path, 'tree', 'workspace');
  await mkdir(tree, { recursive: true });
  await mkdir(join(scratch.path, 'tree', 'home'));
  await symlink('/tmp', join(tree, 'tmp'));
  await writeFile(join(scratch.path, 'victim'), 'victim');
  const evil = join(scratch.path, 'evil.tar');
  await run('tar', ['-cf', evil, '-C', join(scratch.path, 'tree'), 'workspace', 'home']);
  await rm(join(tree, 'tmp'));
  await mkdir(join(tree, 'tmp'));
  const name = `escaped-${process.pid}`;
  await writeFile(join(tree, 'tmp', name), 'out');
  await run('tar', ['-rf', evil, '-C', join(scratch.path, 'tree'), `workspace/tmp/${name}`]);
  await run('tar', ['-rPf', evil, '--transform', 's,^,workspace/../../,', join(scratch.path, 'victim')]);
  await run('zstd', ['-q', evil]);
  const to = await volumes('to');
  await extractVolumes(`${evil}.zst`, to, signal).catch(() => undefined);
  expect(existsSync(join('/tmp', name))).toBe(false);
  expect((await readdir(scratch.path)).toSorted()).toEqual(['evil.tar', 'evil.tar.zst', 'to', 'tree', 'victim']);
});

test.each([
  ['a pipe', 'mkdir workspace home; mkfifo workspace/x; tar -cf "$OUT" workspace home'],
  ['a device', 'mkdir workspace home; mknod workspace/x c 1 3; tar -cf "$OUT" workspace home'],
  [
    'a name above',
    'mkdir workspace home; echo > x; tar -cf "$OUT" workspace home --transform "s,^x,workspace/../x," x -P',
  ],
  [
    'a long name above',
    'mkdir workspace home; echo > x; tar -cf "$OUT" --format=posix workspace home --transform "s,^x,workspace/$(printf %0200d 1)/../../../x," x -P',
  ],
  ['another directory', 'mkdir workspace home other; tar -cf "$OUT" workspace home other'],
  [
    'a hard link out',
    'mkdir workspace home; echo > x; ln x workspace/y; tar -cf "$OUT" x workspace home --transform "flags=h;s,^,../,"',
  ],
])('an archive with %s is refused', async (_what, script) => {
  const tree = join(scratch.path, 'tree');
  await mkdir(tree);
  const out = join(scratch.path, 'made.tar');
  await run('sh', ['-c', script], { cwd: tree, env: { ...process.env, OUT: out } });
  await run('zstd', ['-q', out]);
  await expect(extractVolumes(`${out}.zst`, await volumes('to'), signal)).rejects.toThrow(MemberRefused);
});

test('members are judged the same however the stream is cut, also with names and sizes that need an extended header', async () => {
  const from = await volumes('from');
  await fill(from);
  await mkdir(join(from.home, 'd'.repeat(200), 'ü'.repeat(100)), { recursive: true });
  await writeFile(join(from.home, 'd'.repeat(200), 'ü'.repeat(100), 'f'.repeat(200)), 'deep');
  await give(from.home);
  const path = join(scratch.path, 'archive');
  await archiveVolumes(from, path, limits);
  const tar = (await run('zstd', ['-dc', path], { encoding: 'buffer', maxBuffer: 2 ** 26 })).stdout;
  for (const size of [1, 511, 512, 513, 100_000]) {
    const pieces = Array.from({ length: Math.ceil(tar.length / size) }, (_, index) =>
      tar.subarray(index * size, (index + 1) * size),
    );
    const passed = await Readable.from(pieces)
      .pipe(checkMembers(['workspace', 'home']))
      .toArray();
    expect(Buffer.concat(passed).equals(tar)).toBe(true);
  }
  const to = await volumes('to');
  await extractVolumes(path, to, signal);
  expect(await listing(to.home)).toEqual(await listing(from.home));
});

test('an aborted archive ends its programs and says why', async () => {
  const from = await volumes('from');
  await run('sh', ['-c', 'head -c 30000000 /dev/urandom > random'], { cwd: from.workspace });
  const aborter = new AbortController();
  const archiving = archiveVolumes(from, join(scratch.path, 'archive'), {
    bytesMax: 100_000_000,
    signal: aborter.signal,
  });
  aborter.abort(new Error('enough'));
  await expect(archiving).rejects.toMatchObject({ name: 'AbortError' });
});
