/**
 * One log file per process, rotated by size, bounded in number.
 *
 * Processes append to their file directly, so that they go on when the supervisor is killed. Rotation copies the file and then
 * truncates it: lines written between the two are lost, the price for not having to tell a process.
 */
import { appendFile, copyFile, open, rename, rm, stat, truncate } from 'node:fs/promises';

export interface RotationLimits {
  fileBytesMax: number;
  /** How many rotated files are kept beside the current one. */
  filesMax: number;
}

const ROTATION_LIMITS: RotationLimits = { fileBytesMax: 16 * 1024 * 1024, filesMax: 3 };
const ROTATION_INTERVAL_MS = 10_000;

export async function rotateLog(path: string, limits: RotationLimits): Promise<boolean> {
  const size = (await stat(path).catch(() => null))?.size ?? 0;
  if (size <= limits.fileBytesMax) return false;
  await rm(`${path}.${limits.filesMax}`, { force: true });
  for (let number = limits.filesMax - 1; number >= 1; number -= 1) {
    await rename(`${path}.${number}`, `${path}.${number + 1}`).catch(ignoreMissing);
  }
  if (limits.filesMax > 0) await copyFile(path, `${path}.1`);
  await truncate(path);
  return true;
}

/** Adds a line with the time; what cannot be written must not disturb what is logged. */
export function appendLogLine(path: string, line: string): void {
  void appendFile(path, `${new Date().toISOString()} ${line}\n`, { mode: 0o600 }).catch(() => undefined);
}

/** Looks at the files now and then; returns what ends it. */
export function startLogRotation(paths: string[]): () => void {
  const rotateAll = async () => {
    for (const path of paths) await rotateLog(path, ROTATION_LIMITS).catch(() => false);
  };
  const timer = setInterval(() => void rotateAll(), ROTATION_INTERVAL_MS).unref();
  return () => clearInterval(timer);
}

/** The last lines of a log, for an error message. */
export async function logTail(path: string, linesMax: number): Promise<string> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return '';
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, 16 * 1024));
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8').trimEnd().split('\n').slice(-linesMax).join('\n');
  } finally {
    await file.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
