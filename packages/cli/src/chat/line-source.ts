// Lines as somebody types them, or as they stand in a pipe: one after the other to whoever asks for the next.
//
// 1. A line that nobody has asked for yet waits; lines are given out in their order, each once.
// 2. Who does not need a line any more leaves it to the next.
// 3. On a terminal Ctrl-C and what is typed while nobody asks are told at once: a turn goes on meanwhile.
// 4. Nothing that was typed before a question is its answer; nothing of a pipe is lost because it was none.

import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { TerminalStream } from '../screen/screen.ts';

export interface LineSource {
  readonly isTerminal: boolean;
  /** null: there is none any more, or the signal has aborted. */
  next(prompt: string, signal?: AbortSignal): Promise<string | null>;
  /** The same for a question: of a terminal what is typed from now on, of a pipe only what is an answer. */
  answer(prompt: string, isAnswer: (line: string) => boolean, signal?: AbortSignal): Promise<string | null>;
  close(): void;
}

export interface LineListeners {
  /** Ctrl-C on a terminal. */
  onInterrupt(): void;
  /** A line on a terminal that nobody has asked for. True: it is done with. */
  onUnasked(line: string): boolean;
  /** Ctrl-D on a terminal. */
  onEnd(): void;
}

interface Waiting {
  take(line: string | null): void;
}

export function createLineSource(
  input: Readable & { isTTY?: boolean },
  output: TerminalStream,
  listeners: LineListeners,
): LineSource {
  const isTerminal = input.isTTY === true && output.isTTY === true;
  const reader = createInterface({ input, ...(isTerminal && { output, terminal: true }), historySize: 200 });
  const held: string[] = [];
  let waiting: Waiting | null = null;
  let isOver = false;

  const give = (line: string | null) => {
    const taker = waiting;
    waiting = null;
    taker?.take(line);
  };
  reader.on('line', (line) => {
    if (waiting) give(line);
    else if (!isTerminal || !listeners.onUnasked(line)) held.push(line);
  });
  reader.on('close', () => {
    isOver = true;
    give(null);
    if (isTerminal) listeners.onEnd();
  });
  reader.on('SIGINT', () => {
    // What stands in the line is let go, as a shell does.
    if (waiting) reader.write(null, { ctrl: true, name: 'u' });
    listeners.onInterrupt();
    if (waiting) reader.prompt();
  });

  const wait = (prompt: string, signal: AbortSignal | undefined): Promise<string | null> => {
    if (signal?.aborted || isOver) return Promise.resolve(null);
    if (isTerminal) {
      reader.setPrompt(prompt);
      reader.prompt(true);
    }
    return new Promise((resolve) => {
      const mine: Waiting = {
        take(line) {
          signal?.removeEventListener('abort', leave);
          resolve(line);
        },
      };
      const leave = () => {
        if (waiting !== mine) return;
        // What comes next does not stand behind a question that is none any more.
        if (isTerminal) output.write('\n');
        give(null);
      };
      waiting = mine;
      signal?.addEventListener('abort', leave, { once: true });
    });
  };
  const next = async (prompt: string, signal?: AbortSignal) =>
    signal?.aborted ? null : (held.shift() ?? (await wait(prompt, signal)));

  return {
    isTerminal,
    next,
    async answer(prompt, isAnswer, signal) {
      if (isTerminal) return await wait(prompt, signal);
      const line = await next(prompt, signal);
      if (line === null || isAnswer(line)) return line;
      held.unshift(line);
      return null;
    },
    close: () => reader.close(),
  };
}
