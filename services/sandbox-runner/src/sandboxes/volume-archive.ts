// The files of a session's volumes as one compressed tar, and back.
//
// 1. Nothing of a volume is executed, and no link in it is followed: it is hostile content. Its container has to be stopped.
// 2. Files, directories, symbolic and hard links, with their modes and times. Sockets, pipes and devices are left out, and paths that
//    are too long to be opened, which are counted.
// 3. Writing stops over `bytesMax` compressed, over a multiple of it uncompressed, and after `timeMsMax`.
// 4. Extraction runs as the sandbox's user inside the volume: nothing in an archive reaches what is not that user's own.
//    What no archive of ours holds is refused.

import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { sandboxUser } from '../docker/docker-container-spec.ts';
import { findPersistPath, parsePersistPath, type VolumeName } from './persist-paths.ts';
import { programEnvironment } from '../host/program-environment.ts';
import { checkMembers } from './tar-members.ts';

const compressionLevel = 1;
/** What a small archive may grow to: a bound on the disk that it fills where it is extracted. */
const expansionMax = 64;
const timeMsMax = 30 * 60_000;
const saidCharactersMax = 1_000;
/** What the system takes as one path. */
const pathBytesMax = 4095;

/** Of each volume its directory on the host. */
export type VolumeDirectories = Record<VolumeName, string>;

/** Nothing was wrong but that it is more than it may be. */
export class ArchiveTooLarge extends Error {
  override readonly name = 'ArchiveTooLarge';
}

type Limits = { bytesMax: number; signal: AbortSignal };

/** What of the paths to be archived could not be named to the system: they are left out. */
interface LeftOut {
  pathsTooLong: number;
}

/** Everything in both volumes. @throws ArchiveTooLarge */
export async function archiveVolumes(
  volumes: VolumeDirectories,
  archivePath: string,
  limits: Limits,
): Promise<LeftOut> {
  return archivePaths(volumes, Object.values(volumes), [], archivePath, limits);
}

/**
 * What `persist` names in the volumes. Answers which of its paths are in the archive; with none of them nothing is written.
 * @throws ArchiveTooLarge
 */
export async function archivePersisted(
  volumes: VolumeDirectories,
  persist: readonly string[],
  archivePath: string,
  limits: Limits,
): Promise<LeftOut & { kept: string[] }> {
  const found = new Map<string, string[]>();
  for (const text of persist) {
    const wanted = parsePersistPath(text);
    const at = wanted && (await findPersistPath(volumes[wanted.volume], wanted));
    if (at) found.set(text, at);
  }
  const parents = new Set<string>();
  const paths = new Set<string>();
  for (const at of found.values()) {
    paths.add(at.at(-1)!);
    for (const parent of at.slice(0, -1)) parents.add(parent);
  }
  if (found.size === 0) return { kept: [], pathsTooLong: 0 };
  const leftOut = await archivePaths(volumes, [...paths], [...parents], archivePath, limits);
  return { ...leftOut, kept: [...found.keys()] };
}

/** `parents` without what is in them: a link that is in their place where the archive is extracted makes room for them. */
async function archivePaths(
  volumes: VolumeDirectories,
  paths: string[],
  parents: string[],
  archivePath: string,
  { bytesMax, signal }: Limits,
): Promise<LeftOut> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(timeMsMax)]);
  const types = ['(', '-type', 'f', '-o', '-type', 'd', '-o', '-type', 'l', ')'];
  const find = start('find', ['-P', ...paths, '-xdev', ...types, '-print0'], { signal: until });
  const tar = start('tar', tarOptions(volumes), { signal: until });
  const first = [...Object.values(volumes), ...parents].map((path) => `${path}\0`).join('');
  const leftOut: LeftOut = { pathsTooLong: 0 };
  await together(
    [find, tar],
    pipeline(prefixed(first, withoutTooLong(find.process.stdout!, leftOut)), tar.process.stdin!),
    pipeline(
      tar.process.stdout!,
      bounded(bytesMax * expansionMax),
      createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: compressionLevel } }),
      bounded(bytesMax),
      createWriteStream(archivePath, { mode: 0o600, flush: true }),
    ),
  );
  return leftOut;
}

/** Of paths that each end with NUL. */
async function* withoutTooLong(paths: AsyncIterable<Buffer>, leftOut: LeftOut): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of paths) {
    const bytes = Buffer.concat([rest, chunk]);
    const kept: Buffer[] = [];
    let start = 0;
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
      if (end - start <= pathBytesMax) kept.push(bytes.subarray(start, end + 1));
      else leftOut.pathsTooLong += 1;
      start = end + 1;
    }
    rest = bytes.subarray(start);
    yield Buffer.concat(kept);
  }
}

function tarOptions(volumes: VolumeDirectories): string[] {
  const rename = ([name, path]: [string, string]) => `--transform=flags=rh;s,^${escape(path)},${name},`;
  return [
    '--create',
    '--file=-',
    '--no-recursion',
    '--null',
    '--files-from=-',
    '--absolute-names',
    '--sparse',
    '--numeric-owner',
    '--format=posix',
    '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
    ...Object.entries(volumes).map((volume) => rename(volume)),
  ];
}

/** For a basic regular expression between commas. */
function escape(path: string): string {
  return path.replace(/[.[\]*^$\\,]/g, String.raw`\$&`);
}

/** Into directories of the sandbox's user; an archive of some paths only is laid over what is in them. */
export async function extractVolumes(
  archivePath: string,
  volumes: VolumeDirectories,
  signal: AbortSignal,
): Promise<void> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(timeMsMax)]);
  const tars = Object.entries(volumes).map(([name, cwd]) => {
    const args = ['--extract', '--file=-', '--preserve-permissions', '--strip-components=1', name];
    return start('tar', args, { signal: until, cwd, uid: sandboxUser, gid: sandboxUser });
  });
  const source = createReadStream(archivePath);
  const content = createZstdDecompress();
  const inputs = tars.map(({ process }) => process.stdin!);
  const members = checkMembers(Object.keys(volumes));
  const give = (chunks: AsyncIterable<Uint8Array>) => giveAll(chunks, inputs);
  await together(tars, pipeline(source, content, members, give));
}

async function giveAll(chunks: AsyncIterable<Uint8Array>, inputs: Writable[]): Promise<void> {
  for await (const chunk of chunks) await Promise.all(inputs.map((input) => write(input, chunk)));
  for (const input of inputs) input.end();
}

function write(input: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => input.write(chunk, (error) => (error ? reject(error) : resolve())));
}

async function* prefixed(first: string, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  yield Buffer.from(first, 'utf8');
  yield* rest;
}

function bounded(bytesMax: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > bytesMax) done(new ArchiveTooLarge(`the archive is over ${bytesMax} bytes`));
      else done(null, chunk);
    },
  });
}

interface Started {
  process: ChildProcess;
  /** Rejects with what it printed, unless it ended well. */
  done: Promise<void>;
}

function start(program: string, args: string[], options: SpawnOptions & { signal: AbortSignal }): Started {
  const env = programEnvironment({ LC_ALL: 'C' });
  const process = spawn(program, args, { ...options, env, killSignal: 'SIGKILL' });
  // A closed pipe is the consequence of what `done` tells.
  process.stdin?.on('error', () => undefined);
  let said = '';
  process.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < saidCharactersMax) said += text;
  });
  const done = once(process, 'close').then(([code, signal]) => {
    if (code !== 0)
      throw new Error(`${program} ended with ${code ?? signal}: ${said.trim().slice(0, saidCharactersMax)}`);
  });
  return { process, done };
}

/** Resolves once everything has ended. What a stream refuses is the cause of what the programs then say of their pipes. */
async function together(programs: Started[], ...streams: Promise<void>[]): Promise<void> {
  const ends = programs.map(({ done }) => done);
  await Promise.all([...streams, ...ends]).catch(() => undefined);
  for (const { process } of programs) process.kill('SIGKILL');
  const settled = await Promise.allSettled([...streams, ...ends]);
  const failures = settled.flatMap((one) =>
    one.status === 'rejected' ? [one.reason as Error & { code?: string }] : [],
  );
  const cause = failures.find(
    ({ code }) => !['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code ?? ''),
  );
  if (failures.length > 0) throw cause ?? failures[0];
}
