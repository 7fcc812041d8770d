// What a format makes of a history: text for its beginning, for each event, and for its end. It holds no more of the history than it must.

import type { PositionedEvent } from '../events/history.ts';

/** Of what was given out before the end. */
export interface ExportSums {
  events: number;
  /** The last event's cursor; null where there is none. */
  cursor: string | null;
  sha256: string;
}

export interface ExportFormat {
  begin(): string;
  event(event: PositionedEvent): string;
  /** What is still held, before the sums are taken. */
  rest(): string;
  /** One line, the last. */
  end(sums: ExportSums): string;
}

/** The two ends of a long output: so many characters in all, and how many were left out between them. */
export interface Excerpt {
  add(bytes: Uint8Array): void;
  text(): string;
}

export function createExcerpt(charactersMax: number): Excerpt {
  const half = Math.floor(charactersMax / 2);
  const decoder = new TextDecoder();
  let head = '';
  let tail = '';
  let length = 0;
  return {
    add: (bytes) => {
      const text = decoder.decode(bytes, { stream: true });
      length += text.length;
      const room = half - head.length;
      head += text.slice(0, room);
      tail = (tail + text.slice(room)).slice(-half);
    },
    text: () => {
      const left = length - head.length - tail.length;
      return left > 0 ? `${head}\n[… ${left} characters …]\n${tail}` : head + tail;
    },
  };
}
