// Builds the supervisor as a static program, with whatever C compiler the machine has.
//
// 1. Order: `WORKTRAIL_CC` (nothing else is tried then), gcc, cc, clang on PATH, the `ziglang` wheel. One that cannot link statically is passed over.
// 2. The output appears by rename, so a half-built one is never seen; it is built again only when sources or compiler flags changed.
// 3. Plain Node 20 with no dependencies: the bootstrap calls it before anything is installed.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const supervisorSourceDirectory = join(here, 'src');
// Zig compiles its C library on first use.
const compileTimeoutMs = 300_000;
const warnings = ['-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Wconversion'];
const flags = ['-std=c11', '-O2', '-static', '-s', ...warnings];
// Zig brings musl for every architecture, and no static glibc.
const zigArchitectures = { x64: 'x86_64', arm64: 'aarch64' };
const zigCommand = `python3 -m ziglang cc -target ${zigArchitectures[process.arch] ?? process.arch}-linux-musl`;
const installHint = 'Install one: `apt-get install gcc libc6-dev`, or `pip install ziglang`.';

/** Paths of the supervisor's C files; `except` leaves out the ones with these names. */
export async function supervisorSources(except = []) {
  const names = (await readdir(supervisorSourceDirectory)).filter((name) => name.endsWith('.c')).sort();
  return names.filter((name) => !except.includes(name)).map((name) => join(supervisorSourceDirectory, name));
}

/** A hash over everything that the program is made of; the same hash is the same program. */
export async function supervisorSourceHash() {
  const hash = createHash('sha256').update(flags.join(' '));
  for (const name of (await readdir(supervisorSourceDirectory)).sort()) {
    hash.update(`\0${name}\0`).update(await readFile(join(supervisorSourceDirectory, name)));
  }
  return hash.digest('hex');
}

/**
 * Builds `outputPath` unless it is there already for these sources (`<outputPath>.sha256` says which). `cc` is a command line such as
 * `gcc` or `python3 -m ziglang cc -target x86_64-linux-musl`; default `WORKTRAIL_CC`, then what is found. Resolves with what was used.
 *
 * @param {{ outputPath: string, cc?: string }} options
 * @returns {Promise<{ outputPath: string, compiler: string, built: boolean, hash: string }>}
 */
export async function buildSupervisor({ outputPath, cc = process.env.WORKTRAIL_CC }) {
  const hash = await supervisorSourceHash();
  const stampPath = `${outputPath}.sha256`;
  const stamp = existsSync(outputPath) ? await readFile(stampPath, 'utf8').catch(() => '') : '';
  if (stamp.trim() === hash) return { outputPath, compiler: 'none needed', built: false, hash };

  await mkdir(dirname(outputPath), { recursive: true });
  const compiler = await findCompiler(cc);
  const temporary = join(dirname(outputPath), `.${basename(outputPath)}.${process.pid}`);
  try {
    await compile(compiler, [...flags, '-o', temporary, ...(await supervisorSources())]);
    await chmod(temporary, 0o755);
    await rm(stampPath, { force: true });
    await rename(temporary, outputPath);
    await writeFile(stampPath, `${hash}\n`);
  } finally {
    await rm(temporary, { force: true });
  }
  return { outputPath, compiler: compiler.join(' '), built: true, hash };
}

/** The first compiler that links a static program, as the words of its command line. Throws with everything that was tried. */
async function findCompiler(explicit) {
  const candidates = explicit ? [explicit] : ['gcc', 'cc', 'clang', zigCommand];
  const tried = [];
  for (const candidate of candidates) {
    const words = candidate.trim().split(/\s+/);
    const refusal = await whyNot(words);
    if (refusal === undefined) return words;
    tried.push(`  ${candidate}: ${refusal}`);
  }
  const how = explicit
    ? 'The compiler that was asked for does not work'
    : 'No C compiler that links static programs was found';
  throw new Error(`${how}; tried:\n${tried.join('\n')}\n${installHint}`);
}

/** Why a compiler cannot be used, by compiling the smallest program with it; `undefined` when it can. */
async function whyNot(words) {
  const directory = await mkdtemp(join(tmpdir(), 'worktrail-cc-'));
  try {
    const source = join(directory, 'probe.c');
    await writeFile(source, '#include <stdio.h>\nint main(void) { return puts("x") < 0; }\n');
    await compile(words, ['-static', '-o', join(directory, 'probe'), source]);
    return undefined;
  } catch (error) {
    return String(error.message).trim().split('\n').slice(0, 3).join(' / ').slice(0, 300);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function compile([program, ...words], args) {
  try {
    await run(program, [...words, ...args], { timeout: compileTimeoutMs, maxBuffer: 16 * 1024 * 1024 });
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error('not installed');
    throw new Error(String(error.stderr || error.message));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outputPath = process.argv[2];
  if (outputPath === undefined) throw new Error('usage: node build.mjs OUTPUT_PATH');
  const { compiler, built } = await buildSupervisor({ outputPath });
  console.log(built ? `built ${outputPath} with ${compiler}` : `${outputPath} is up to date`);
}
