// Bytes as lines of text, across chunk boundaries, with a bound on what is held back.

const lineCharactersMax = 4_096;

export interface LineSplitter {
  /** The lines that are now whole; a line over the bound comes in pieces. */
  push(bytes: Uint8Array): string[];
  /** The unfinished line, if there is one. */
  rest(): string[];
}

export function createLineSplitter(): LineSplitter {
  const decoder = new TextDecoder();
  let held = '';
  return {
    push(bytes) {
      const lines = (held + decoder.decode(bytes, { stream: true })).split(/\r?\n/);
      held = lines.pop() ?? '';
      while (held.length > lineCharactersMax) {
        lines.push(held.slice(0, lineCharactersMax));
        held = held.slice(lineCharactersMax);
      }
      return lines;
    },
    rest() {
      const last = held;
      held = '';
      return last ? [last] : [];
    },
  };
}
