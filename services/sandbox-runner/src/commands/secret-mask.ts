// Hides the values of secrets in a command's output.
//
// 1. Every byte that belongs to an occurrence of a secret within one stream comes out as `*`; all other bytes, and every offset and
//    position, come out as they were. Which bytes those are depends on the output alone, not on how it was cut into pieces.
// 2. Output comes out in the order of its positions. What is held back is a stream's tail that may be the beginning of a secret, and
//    what follows it in the other stream.
// 3. Where output is left out, what stands before and behind it and can be part of a secret that lay across is hidden too.
// 4. At most `heldBytesMax` are held: an occurrence that is interrupted by more of the other stream keeps what was shown before.

export interface OutputPiece {
  stream: 'stdout' | 'stderr';
  /** In its stream. */
  offset: number;
  /** In the command: both streams together. */
  position: number;
  bytes: Uint8Array;
}

export interface SecretMask {
  /** The pieces that can be shown now. */
  push(piece: OutputPiece): OutputPiece[];
  /** The pieces before output that is left out, of both streams. */
  skip(): OutputPiece[];
  /** What is left, when no more output follows. */
  flush(): OutputPiece[];
}

export const heldBytesMax = 65_536;
const star = '*'.charCodeAt(0);
/** A piece is looked at in parts of this size, so that the bound is kept whatever size it has. */
const partBytesMax = 4_096;

export function createSecretMask(secrets: readonly string[]): SecretMask {
  const distinct = [...new Set(secrets)].filter((secret) => secret !== '');
  const patterns = distinct.map((secret) => createPattern(Buffer.from(secret, 'utf8')));
  if (patterns.length === 0) return { push: (piece) => [piece], skip: () => [], flush: () => [] };
  const longest = Math.max(...patterns.map(({ bytes }) => bytes.length));
  const held: OutputPiece[] = [];
  const streams = { stdout: createStreamState(), stderr: createStreamState() };

  function take(piece: OutputPiece): void {
    // A copy: what is masked later must not change the caller's bytes.
    held.push({ ...piece, bytes: Uint8Array.from(piece.bytes) });
    const stream = streams[piece.stream];
    const known = stream.pending.length;
    const window = Buffer.concat([stream.pending, piece.bytes]);
    for (const pattern of patterns) {
      for (let at = window.indexOf(pattern.bytes); at !== -1; at = window.indexOf(pattern.bytes, at + 1)) {
        const last = at + pattern.bytes.length - 1;
        if (last < known) continue;
        const lastPosition = piece.position + last - known;
        hide(piece.stream, piece.offset - known + at, piece.offset - known + last, lastPosition - heldBytesMax);
      }
    }
    const pendingBytes = Math.max(...patterns.map((pattern) => longestBeginning(pattern, window)));
    stream.pending = window.subarray(window.length - pendingBytes);
    stream.end = piece.offset + piece.bytes.length;
    stream.shownBelow = stream.end - pendingBytes;
    const { resumed } = stream;
    if (!resumed) return;
    resumed.offset ??= piece.offset;
    resumed.bytes = Buffer.concat([resumed.bytes, piece.bytes]);
    if (resumed.bytes.length < longest) stream.shownBelow = resumed.offset;
    else hideResumed(piece.stream);
  }

  /** The first bytes behind a gap, as far as they are the end, or something out of the middle, of a secret. */
  function hideResumed(name: OutputPiece['stream']): void {
    const { resumed } = streams[name];
    streams[name].resumed = undefined;
    if (resumed?.offset === undefined) return;
    const bytes = Math.max(...patterns.map((pattern) => longestEndAtStart(pattern.bytes, resumed.bytes)));
    if (bytes > 0) hide(name, resumed.offset, resumed.offset + bytes - 1, -1);
  }

  function flush(): OutputPiece[] {
    hideResumed('stdout');
    hideResumed('stderr');
    return held.splice(0);
  }

  function hide(stream: OutputPiece['stream'], first: number, last: number, shownPosition: number): void {
    for (let index = held.length - 1; index >= 0; index -= 1) {
      const piece = held[index]!;
      if (piece.stream !== stream) continue;
      if (piece.offset + piece.bytes.length <= first) return;
      const from = Math.max(first - piece.offset, shownPosition + 1 - piece.position, 0);
      const to = Math.min(last + 1 - piece.offset, piece.bytes.length);
      if (from < to) piece.bytes.fill(star, from, to);
    }
  }

  /** `position`: of the last byte so far. */
  function release(position: number): OutputPiece[] {
    const shown: OutputPiece[] = [];
    while (held.length > 0) {
      const piece = held[0]!;
      const settled = streams[piece.stream].shownBelow - piece.offset;
      const forced = position - heldBytesMax + 1 - piece.position;
      const count = Math.min(piece.bytes.length, Math.max(settled, forced));
      if (count > 0) shown.push({ ...piece, bytes: piece.bytes.subarray(0, count) });
      if (count < piece.bytes.length) {
        if (count > 0) held[0] = cutFront(piece, count);
        break;
      }
      held.shift();
    }
    return shown;
  }

  return {
    push(piece) {
      const shown: OutputPiece[] = [];
      for (let at = 0; at < piece.bytes.length; at += partBytesMax) {
        const part = { ...cutFront(piece, at), bytes: piece.bytes.subarray(at, at + partBytesMax) };
        take(part);
        shown.push(...release(part.position + part.bytes.length - 1));
      }
      return shown;
    },
    skip() {
      for (const name of ['stdout', 'stderr'] as const) {
        const { pending, end } = streams[name];
        if (pending.length > 0) hide(name, end - pending.length, end - 1, -1);
      }
      const shown = flush();
      for (const name of ['stdout', 'stderr'] as const) {
        streams[name] = { ...createStreamState(), resumed: { offset: undefined, bytes: Buffer.alloc(0) } };
      }
      return shown;
    },
    flush,
  };
}

/** The piece without its first `count` bytes. */
export function cutFront(piece: OutputPiece, count: number): OutputPiece {
  return {
    stream: piece.stream,
    offset: piece.offset + count,
    position: piece.position + count,
    bytes: piece.bytes.subarray(count),
  };
}

interface StreamState {
  /** The tail that may begin a secret, as it was written. */
  pending: Buffer;
  /** Offset behind its last byte. */
  end: number;
  /** Offset below which every byte is settled. */
  shownBelow: number;
  /** What came since output was left out, until that is longer than any secret. */
  resumed?: { offset: number | undefined; bytes: Buffer } | undefined;
}

function createStreamState(): StreamState {
  return { pending: Buffer.alloc(0), end: 0, shownBelow: 0 };
}

interface Pattern {
  bytes: Buffer;
  /** For each prefix's length, the length of its longest proper suffix that begins the pattern too (Knuth, Morris, Pratt). */
  fallback: Uint32Array;
}

function createPattern(bytes: Buffer): Pattern {
  const fallback = new Uint32Array(bytes.length + 1);
  for (let length = 2, matched = 0; length <= bytes.length; length += 1) {
    while (matched > 0 && bytes[length - 1] !== bytes[matched]) matched = fallback[matched]!;
    if (bytes[length - 1] === bytes[matched]) matched += 1;
    fallback[length] = matched;
  }
  return { bytes, fallback };
}

/** Length of the longest end of `window` that is a beginning of the pattern, but not all of it. */
function longestBeginning({ bytes, fallback }: Pattern, window: Buffer): number {
  let matched = 0;
  for (let at = Math.max(0, window.length - bytes.length + 1); at < window.length; at += 1) {
    while (matched > 0 && window[at] !== bytes[matched]) matched = fallback[matched]!;
    if (window[at] === bytes[matched]) matched += 1;
    if (matched === bytes.length) matched = fallback[matched]!;
  }
  return matched;
}

/** Length of the longest start of `bytes` that is an end of the secret, but not all of it; all of `bytes` where they lie within it. */
function longestEndAtStart(secret: Buffer, bytes: Buffer): number {
  if (secret.includes(bytes)) return bytes.length;
  return longestBeginning(createPattern(bytes), secret.subarray(1));
}
