// The work of a round: what each session is asked to run, and every byte that it must print and write.
//
// A line has its number and a checksum over all numbers before it, so that a loss, a repetition and a change of order all show. A
// command that works to its end prints the sha256 of its standard output on standard error.

import { createHash } from 'node:crypto';
import { createDraw } from './draw.ts';

export interface LinesTask {
  name: string;
  lines: number;
  /** Bytes of a line, at least. */
  width: number;
  /** Lines written at once. */
  batch: number;
  /** After each batch. */
  pauseMs: number;
  /** How often a megabyte is hashed for each batch. */
  spins: number;
  /** A file is written after so many lines; 0: none. */
  fileEvery: number;
  background: boolean;
}

export interface WrittenFile {
  path: string;
  /** Octal: 644 or 755, which is what a checkpoint keeps of modes. */
  mode: string;
  sha256: string;
}

export interface Work {
  /** Has ended, and its files are in a checkpoint, before the others begin. */
  first: LinesTask;
  tasks: LinesTask[];
  /** After each of these the session is put to sleep; the next one wakes it. */
  naps: LinesTask[];
}

const program = `
import hashlib, os, sys, time
name, lines, width, batch, pause, spins, every = sys.argv[1], *map(int, sys.argv[2:])
total, block, whole, out = 0, b"", hashlib.sha256(), sys.stdout.buffer
for n in range(1, lines + 1):
    total = (total * 31 + n) % 1000000007
    block += (f"{name} {n} {total} ".ljust(width, ".") + "\\n").encode()
    if n % batch == 0 or n == lines:
        whole.update(block); out.write(block); out.flush(); block = b""
        for _ in range(spins): hashlib.sha256(bytes(1 << 20)).digest()
        time.sleep(pause / 1000)
    if every and n % every == 0:
        with open(f"{name}-{n}.bin", "wb") as file: file.write(hashlib.sha256(f"{name} {n}".encode()).digest() * 1000)
        os.chmod(f"{name}-{n}.bin", 0o644 if n % 2 else 0o755)
sys.stderr.write(whole.hexdigest() + "\\n")
`;

export function commandLine(task: LinesTask): string {
  const numbers = [task.lines, task.width, task.batch, task.pauseMs, task.spins, task.fileEvery];
  return `python3 -c '${program}' ${task.name} ${numbers.join(' ')}`;
}

export function expectedOutput(task: LinesTask): Buffer {
  const lines: string[] = [];
  let total = 0;
  for (let n = 1; n <= task.lines; n++) {
    total = (total * 31 + n) % 1_000_000_007;
    lines.push(`${task.name} ${n} ${total} `.padEnd(task.width, '.'));
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

export function expectedFiles(task: LinesTask): WrittenFile[] {
  if (task.fileEvery === 0) return [];
  return Array.from({ length: Math.floor(task.lines / task.fileEvery) }, (_, index) => {
    const n = (index + 1) * task.fileEvery;
    const block = createHash('sha256').update(`${task.name} ${n}`).digest();
    const content = Buffer.concat(Array.from({ length: 1000 }, () => block));
    return { path: `${task.name}-${n}.bin`, mode: n % 2 === 1 ? '644' : '755', sha256: sha256(content) };
  });
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const NAP_PACE_MS = 4_000;

/**
 * Four sessions: one that prints slowly beside one that prints much, one with files, one that computes and has others waiting behind
 * it, one that sleeps between its commands. `paceMs` is about how long the slow ones take.
 */
export function planWork(seed: string, paceMs: number): Work[] {
  const draw = createDraw(`${seed}/work`);
  const paced = (name: string, pauseMs: number, extra: Partial<LinesTask> = {}): LinesTask => {
    const lines = Math.max(10, Math.round(paceMs / pauseMs));
    return { name, lines, width: 40, batch: 1, pauseMs, spins: 0, fileEvery: 0, background: false, ...extra };
  };
  const much = { lines: draw.between(20_000, 60_000), width: draw.between(60, 120), batch: 500, background: true };
  const short = (name: string) => paced(name, 30, { lines: 12, fileEvery: 3 });
  const work = (tasks: LinesTask[], naps: LinesTask[] = []): Work => ({ first: short('first'), tasks, naps });
  return [
    work([paced('slow', draw.between(20, 60)), paced('much', Math.round(paceMs / 80), much)]),
    work([paced('files', draw.between(80, 160), { fileEvery: 7, background: true })]),
    work([
      paced('busy', draw.between(60, 120), { spins: 4 }),
      ...[1, 2, 3].map((n) => paced(`after-${n}`, 50, { lines: draw.between(3, 20), fileEvery: 3 })),
    ]),
    work(
      [],
      Array.from({ length: Math.ceil(paceMs / NAP_PACE_MS) }, (_, index) => short(`nap-${index + 1}`)),
    ),
  ];
}
