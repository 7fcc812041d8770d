// The last bytes of a command's output, as text.
//
// 1. Never more than `bytesMax` are shown, never more than twice as many kept.
// 2. A character that the cut went through is left out; what is no UTF-8 is shown as U+FFFD.

export interface OutputTail {
  add(bytes: Uint8Array): void;
  text(): { text: string; truncated: boolean };
}

/** `seenBefore`: bytes of the output that are not added. */
export function createOutputTail(bytesMax: number, seenBefore = 0): OutputTail {
  let chunks: Uint8Array[] = [];
  let kept = 0;
  let seen = seenBefore;
  return {
    add(bytes) {
      chunks.push(bytes);
      kept += bytes.byteLength;
      seen += bytes.byteLength;
      if (kept <= 2 * bytesMax) return;
      const tail = Buffer.concat(chunks).subarray(-bytesMax);
      chunks = [tail];
      kept = tail.byteLength;
    },
    text() {
      const tail = Buffer.concat(chunks).subarray(-bytesMax);
      return tailText(tail, seen > tail.byteLength);
    },
  };
}

export function tailText(tail: Uint8Array, truncated: boolean): { text: string; truncated: boolean } {
  const start = truncated ? firstCharacter(tail) : 0;
  return { text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(tail.subarray(start)), truncated };
}

/** Passes over the rest of a character that was cut: at most three bytes. */
function firstCharacter(bytes: Uint8Array): number {
  let start = 0;
  while (start < 3 && start < bytes.length && (bytes[start]! & 0xc0) === 0x80) start += 1;
  return start;
}
