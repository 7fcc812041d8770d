// An answer of a model as it comes: deltas into the history, the whole kept.
//
// 1. The first of a text goes out at once; what comes while one is being stored goes out together after it.
// 2. It is bounded: an answer over `answerBytesMax` is cut off, and the step fails with that.
// 3. Each text is valid Unicode, whatever the model sends.

import type { EventPayloadInit, Producer } from '@worktrail/runtime/event-producer';

export const answerBytesMax = 256 * 1024;
const deltaLengthMax = 32 * 1024;

export interface StepStream {
  /** Never waits. @throws AnswerTooLarge */
  push(kind: 'text' | 'reasoning', text: string): void;
  /** Counts what is no text towards the bound. @throws AnswerTooLarge */
  count(bytes: number): void;
  readonly text: string;
  readonly reasoning: string;
  /** Resolves once all of it is stored. */
  finish(): Promise<void>;
}

export class AnswerTooLarge extends Error {
  constructor(what = `over ${answerBytesMax} bytes`) {
    super(`the model's answer is ${what}`);
    this.name = 'AnswerTooLarge';
  }
}

/** As much as goes into one event; a character of two units is not cut. */
function textFrom(whole: string, start: number): string {
  const end = start + deltaLengthMax;
  const isHigh = (whole.charCodeAt(end - 1) & 0xfc00) === 0xd800 && end < whole.length;
  return whole.slice(start, isHigh ? end - 1 : end);
}

export interface StepStreamDeps {
  append(payload: EventPayloadInit): ReturnType<Producer['append']>;
  messageId: string;
  attempt: number;
}

export function createStepStream({ append, messageId, attempt }: StepStreamDeps): StepStream {
  const whole = { text: '', reasoning: '' };
  const sent = { text: 0, reasoning: 0 };
  let bytes = 0;
  let sending: Promise<void> | undefined;
  let failure: unknown;

  async function send(): Promise<void> {
    for (;;) {
      const kind = sent.reasoning < whole.reasoning.length ? 'reasoning' : 'text';
      const text = textFrom(whole[kind], sent[kind]);
      if (text === '') return;
      sent[kind] += text.length;
      const value = { messageId, text, attempt };
      await append({ case: kind === 'text' ? 'messageAgentDelta' : 'reasoningDelta', value });
    }
  }

  function begin(): void {
    sending ??= send()
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        sending = undefined;
      });
  }

  function count(added: number): void {
    bytes += added;
    if (bytes > answerBytesMax) throw new AnswerTooLarge();
  }

  return {
    push: (kind, text) => {
      if (failure !== undefined) throw failure;
      count(Buffer.byteLength(text));
      whole[kind] += text.toWellFormed();
      begin();
    },
    count,
    get text() {
      return whole.text;
    },
    get reasoning() {
      return whole.reasoning;
    },
    finish: async () => {
      begin();
      while (sending) await sending;
      if (failure !== undefined) throw failure;
    },
  };
}
