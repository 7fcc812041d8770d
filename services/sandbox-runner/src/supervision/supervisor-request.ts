// A command as its supervisor is asked to run it, and the bytes of that request.
//
// Promise: what `encodeRequest` returns is accepted by the supervisor's parser; what could not be is refused here, with the field's name.

import { SupervisorError } from './supervisor-control.ts';

export const requestBytesMax = 1_048_576;
/** Linux takes no longer argument (with its NUL: 128 KiB). */
export const argumentBytesMax = 131_071;
const listEntriesMax = 4096;
const outputTailBytesMax = 1_048_576;

export type CommandSpec = {
  /** `[a-z]{3}_[0-9a-z]{26}` */
  id: string;
  argv: string[];
  /** The whole environment; `PATH` of it finds `argv[0]`. */
  env: Record<string, string>;
  /** Absolute; after symlinks it must be `root` or below it. */
  cwd: string;
  /** Absolute, without symlinks. Default: the supervisor's `--root`, `/workspace`. */
  root?: string;
  /** 0 or absent: none. */
  timeoutMs?: number;
  /** Between TERM and KILL after the timeout. Default 5000. */
  graceMs?: number;
  /** Both streams together; 0 or absent: no limit. */
  outputBytesMax?: number;
  /** The command goes on above `outputBytesMax`, and so much of its output's end is kept. At most 1 MiB. Absent: it is ended. */
  outputTailBytes?: number;
  /** Default 16 MiB. */
  unackedBytesMax?: number;
  /** `file`: a pipe fed by `writeStdin`. Default `null`: `/dev/null`. */
  stdin?: 'null' | 'file';
  /** `internal` commands have places of their own beside the 64 of users. Default `user`. */
  origin?: 'user' | 'internal';
};

export function assertRunnableId(id: string): void {
  if (!/^[a-z]{3}_[0-9a-z]{26}$/.test(id))
    throw new SupervisorError('supervisor_request_invalid', 'malformed command id');
}

/** Throws `SupervisorError` `supervisor_request_invalid` that names the field. */
export function encodeRequest(spec: CommandSpec): Buffer {
  assertRunnableId(spec.id);
  const entries = ['worktrail-request=1'];
  const add = (key: string, value: string | number | undefined) => {
    if (value !== undefined) entries.push(`${key}=${checkText(key, value)}`);
  };
  checkLists(spec);
  for (const argument of spec.argv) add('argv', argument);
  for (const [name, value] of Object.entries(spec.env)) add('env', `${checkName(name)}=${value}`);
  add('cwd', checkAbsolute('cwd', spec.cwd));
  if (spec.root !== undefined) add('root', checkAbsolute('root', spec.root));
  add('timeoutMs', spec.timeoutMs);
  add('graceMs', spec.graceMs);
  add('outputBytesMax', spec.outputBytesMax);
  add('outputTailBytes', checkTail(spec));
  add('unackedBytesMax', spec.unackedBytesMax);
  add('stdin', spec.stdin);
  add('origin', spec.origin);
  entries.push('end=');
  const bytes = Buffer.from(`${entries.join('\0')}\0`, 'utf8');
  if (bytes.length > requestBytesMax) refuse(`the request has ${bytes.length} bytes, at most ${requestBytesMax} fit`);
  return bytes;
}

function checkLists(spec: CommandSpec): void {
  if (spec.argv.length < 1 || spec.argv.length > listEntriesMax) refuse(`argv has ${spec.argv.length} entries`);
  if (spec.argv[0] === '') refuse('argv[0] is empty');
  const names = Object.keys(spec.env).length;
  if (names > listEntriesMax) refuse(`env has ${names} entries, at most ${listEntriesMax} fit`);
  if (spec.unackedBytesMax === 0) refuse('unackedBytesMax is 0');
}

function checkTail({ outputTailBytes, outputBytesMax = 0 }: CommandSpec): number | undefined {
  if (outputTailBytes === undefined) return undefined;
  if (outputTailBytes > outputTailBytesMax) refuse(`outputTailBytes is above ${outputTailBytesMax}`);
  if (outputBytesMax === 0 || outputTailBytes > outputBytesMax) refuse('outputTailBytes is more than outputBytesMax');
  return outputTailBytes;
}

function checkName(name: string): string {
  if (name === '' || name.includes('=')) refuse('env has a name that is empty or contains "="');
  return name;
}

function checkAbsolute(key: string, path: string): string {
  if (!path.startsWith('/') || Buffer.byteLength(path) > 4095) refuse(`${key} is not an absolute path`);
  return path;
}

function checkText(key: string, value: string | number): string {
  if (typeof value === 'number' && !(Number.isSafeInteger(value) && value >= 0)) refuse(`${key} is not a whole number`);
  const text = String(value);
  if (text.includes('\0')) refuse(`${key} contains a NUL byte`);
  if (Buffer.byteLength(text) > argumentBytesMax) refuse(`${key} is longer than ${argumentBytesMax} bytes`);
  return text;
}

function refuse(detail: string): never {
  throw new SupervisorError('supervisor_request_invalid', `the command cannot be started: ${detail}`);
}
