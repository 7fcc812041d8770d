// The frames of a command's journal, as `supervisor/README.md` lays them out.
//
// Promises:
// 1. What `encodeFrame` writes, `parseFrame` gives back.
// 2. Bytes are hostile: the only thing thrown is `JournalCorrupt`, and a frame above `frameBodyBytesMax` is refused before it is read.
// 3. A frame that is not complete yet is `undefined`, never an error.

export const journalVersion = 2;
/** Version 1 has no flags. Sandboxes that were opened before go on writing it. */
const journalVersions: readonly number[] = [1, journalVersion];
export const frameHeaderBytes = 8;
export const outputBytesPerFrameMax = 65_536;
export const frameBodyBytesMax = outputBytesPerFrameMax + 64;
export const reasonBytesMax = 512;

const magic = Buffer.from('WTJRNL\r\n', 'latin1');
const frameTypes = { header: 1, started: 2, output: 3, end: 4 } as const;
const headerBodyBytes = 88;
/** Of the first frame as a whole. */
export const journalHeaderBytes = frameHeaderBytes + headerBodyBytes;
const startedBodyBytes = 16;
const outputPrefixBytes = 32;
const endPrefixBytes = 64;
const mayJumpFlag = 1;
const hasExitCode = 1;
const hasSignal = 2;
const isTruncated = 4;

export const journalOutcomes = [
  'exited',
  'signaled',
  'timed_out',
  'canceled',
  'oom_killed',
  'output_limit',
  'failed_to_start',
] as const;

export type JournalOutcome = (typeof journalOutcomes)[number];
export type JournalStream = 'stdout' | 'stderr';

/** `mayJump`: the output may have one gap, of what was above the command's limit and not kept. */
export type HeaderFrame = { type: 'header'; timeNs: bigint; bootId: string; commandId: string; mayJump: boolean };
export type StartedFrame = { type: 'started'; timeNs: bigint; pid: number };
/** `offset` counts the bytes of its stream, `position` those of both streams together. */
export type OutputFrame = {
  type: 'output';
  timeNs: bigint;
  stream: JournalStream;
  offset: number;
  position: number;
  bytes: Uint8Array;
};
export type EndFrame = {
  type: 'end';
  timeNs: bigint;
  outcome: JournalOutcome;
  exitCode: number | null;
  /** The number of the signal that ended the command's first process. */
  signal: number | null;
  reason: string;
  /** The command printed more than its limit; what was above it is gone, whatever the outcome. */
  outputTruncated: boolean;
  stdoutBytes: number;
  stderrBytes: number;
  userTimeUs: number;
  systemTimeUs: number;
  maxRssKib: number;
};
export type JournalFrame = HeaderFrame | StartedFrame | OutputFrame | EndFrame;

/** The journal is not one that the supervisor wrote. Reading it again cannot help. */
export class JournalCorrupt extends Error {
  override readonly name = 'JournalCorrupt';
  /** Where in the file the frame begins that cannot be right. */
  readonly fileOffset: number;
  constructor(detail: string, fileOffset: number) {
    super(`journal is corrupt at byte ${fileOffset}: ${detail}`);
    this.fileOffset = fileOffset;
  }
}

/**
 * The frame that begins at `at`, and where the next one begins; `undefined` while it is not complete.
 * `fileOffset` is where `buffer` begins in the file (for errors). Output bytes are a view of `buffer`.
 */
export function parseFrame(
  buffer: Buffer,
  at: number,
  fileOffset = 0,
): { frame: JournalFrame; next: number } | undefined {
  if (buffer.length - at < frameHeaderBytes) return undefined;
  const where = fileOffset + at;
  const bodyBytes = buffer.readUInt32LE(at);
  if (bodyBytes > frameBodyBytesMax) throw new JournalCorrupt(`frame of ${bodyBytes} bytes`, where);
  if (buffer.readUInt16LE(at + 6) !== 0) throw new JournalCorrupt('reserved bytes are not zero', where);
  const type = buffer.readUInt16LE(at + 4);
  const next = at + frameHeaderBytes + bodyBytes;
  if (type < frameTypes.header || type > frameTypes.end) throw new JournalCorrupt(`frame of type ${type}`, where);
  if (buffer.length < next) return undefined;
  return { frame: parseBody(type, buffer.subarray(at + frameHeaderBytes, next), where), next };
}

function parseBody(type: number, body: Buffer, where: number): JournalFrame {
  switch (type) {
    case frameTypes.header:
      return parseHeader(body, where);
    case frameTypes.started:
      return parseStarted(body, where);
    case frameTypes.output:
      return parseOutput(body, where);
    default:
      return parseEnd(body, where);
  }
}

function parseHeader(body: Buffer, where: number): HeaderFrame {
  if (body.length !== headerBodyBytes || !body.subarray(0, 8).equals(magic)) {
    throw new JournalCorrupt('not a journal header', where);
  }
  const version = body.readUInt32LE(8);
  if (!journalVersions.includes(version)) throw new JournalCorrupt(`journal version ${version}`, where);
  const flags = version === 1 ? 0 : body.readUInt32LE(12);
  if ((flags & ~mayJumpFlag) !== 0) throw new JournalCorrupt(`journal flags ${flags}`, where);
  const bootId = body.toString('latin1', 24, 56);
  const commandId = body.toString('latin1', 56, 88).replace(/\0+$/, '');
  if (!/^[0-9a-f]{32}$/.test(bootId)) throw new JournalCorrupt('malformed boot id', where);
  if (!/^[a-z]{3}_[0-9a-z]{26}$/.test(commandId)) throw new JournalCorrupt('malformed command id', where);
  return { type: 'header', timeNs: body.readBigUInt64LE(16), bootId, commandId, mayJump: flags === mayJumpFlag };
}

function parseStarted(body: Buffer, where: number): StartedFrame {
  if (body.length !== startedBodyBytes) throw new JournalCorrupt('malformed started frame', where);
  return { type: 'started', timeNs: body.readBigUInt64LE(0), pid: body.readInt32LE(8) };
}

function parseOutput(body: Buffer, where: number): OutputFrame {
  const bytes = body.subarray(outputPrefixBytes);
  if (bytes.length < 1 || bytes.length > outputBytesPerFrameMax) {
    throw new JournalCorrupt(`output of ${bytes.length} bytes`, where);
  }
  const stream = body.readUInt8(24);
  if (stream !== 1 && stream !== 2) throw new JournalCorrupt(`output on stream ${stream}`, where);
  return {
    type: 'output',
    timeNs: body.readBigUInt64LE(16),
    stream: stream === 1 ? 'stdout' : 'stderr',
    offset: readCount(body, 0, where),
    position: readCount(body, 8, where),
    bytes,
  };
}

function parseEnd(body: Buffer, where: number): EndFrame {
  if (body.length < endPrefixBytes) throw new JournalCorrupt('malformed end frame', where);
  const outcome = journalOutcomes[body.readUInt8(0) - 1];
  if (outcome === undefined) throw new JournalCorrupt(`outcome ${body.readUInt8(0)}`, where);
  const flags = body.readUInt8(1);
  const reasonBytes = body.readUInt16LE(2);
  if (reasonBytes > reasonBytesMax || body.length !== endPrefixBytes + reasonBytes) {
    throw new JournalCorrupt('reason of another length than said', where);
  }
  return {
    type: 'end',
    timeNs: body.readBigUInt64LE(56),
    outcome,
    exitCode: flags & hasExitCode ? body.readInt32LE(4) : null,
    signal: flags & hasSignal ? body.readInt32LE(8) : null,
    reason: body.toString('utf8', endPrefixBytes),
    outputTruncated: (flags & isTruncated) !== 0,
    stdoutBytes: readCount(body, 16, where),
    stderrBytes: readCount(body, 24, where),
    userTimeUs: readCount(body, 32, where),
    systemTimeUs: readCount(body, 40, where),
    maxRssKib: readCount(body, 48, where),
  };
}

function readCount(body: Buffer, at: number, where: number): number {
  const value = body.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new JournalCorrupt(`count of ${value}`, where);
  return Number(value);
}

/** The bytes of one frame. The supervisor writes its own; this is for tests and for repairing tools. */
export function encodeFrame(frame: JournalFrame): Buffer {
  const body = encodeBody(frame);
  const prefix = Buffer.alloc(frameHeaderBytes);
  prefix.writeUInt32LE(body.length, 0);
  prefix.writeUInt16LE(frameTypes[frame.type], 4);
  return Buffer.concat([prefix, body]);
}

function encodeBody(frame: JournalFrame): Buffer {
  switch (frame.type) {
    case 'header': {
      const body = Buffer.alloc(headerBodyBytes);
      magic.copy(body);
      body.writeUInt32LE(journalVersion, 8);
      body.writeUInt32LE(frame.mayJump ? mayJumpFlag : 0, 12);
      body.writeBigUInt64LE(frame.timeNs, 16);
      body.write(frame.bootId, 24, 32, 'latin1');
      body.write(frame.commandId, 56, 32, 'latin1');
      return body;
    }
    case 'started': {
      const body = Buffer.alloc(startedBodyBytes);
      body.writeBigUInt64LE(frame.timeNs, 0);
      body.writeInt32LE(frame.pid, 8);
      return body;
    }
    case 'output': {
      const prefix = Buffer.alloc(outputPrefixBytes);
      prefix.writeBigUInt64LE(BigInt(frame.offset), 0);
      prefix.writeBigUInt64LE(BigInt(frame.position), 8);
      prefix.writeBigUInt64LE(frame.timeNs, 16);
      prefix.writeUInt8(frame.stream === 'stdout' ? 1 : 2, 24);
      return Buffer.concat([prefix, frame.bytes]);
    }
    case 'end':
      return encodeEnd(frame);
  }
}

function encodeEnd(frame: EndFrame): Buffer {
  const reason = Buffer.from(frame.reason, 'utf8').subarray(0, reasonBytesMax);
  const body = Buffer.alloc(endPrefixBytes);
  body.writeUInt8(journalOutcomes.indexOf(frame.outcome) + 1, 0);
  const set = (flag: number, when: boolean) => (when ? flag : 0);
  body.writeUInt8(
    set(hasExitCode, frame.exitCode !== null) |
      set(hasSignal, frame.signal !== null) |
      set(isTruncated, frame.outputTruncated),
    1,
  );
  body.writeUInt16LE(reason.length, 2);
  body.writeInt32LE(frame.exitCode ?? 0, 4);
  body.writeInt32LE(frame.signal ?? 0, 8);
  const counts = [frame.stdoutBytes, frame.stderrBytes, frame.userTimeUs, frame.systemTimeUs, frame.maxRssKib];
  counts.forEach((count, index) => {
    body.writeBigUInt64LE(BigInt(count), 16 + index * 8);
  });
  body.writeBigUInt64LE(frame.timeNs, 56);
  return Buffer.concat([body, reason]);
}
