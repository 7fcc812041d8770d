// OpenAI's chat completions say what a stream cost only when they are asked to. They are asked; who did not ask does not see it.

import { Transform, type TransformCallback } from 'node:stream';

const heldBytesMax = 4 * 1024 * 1024;

export interface ChatRequest {
  /** '' where it names none. */
  model: string;
  /** The body that asks for usage; undefined where it needs no asking, or is no such request. */
  asking: Buffer | undefined;
}

export function readChatRequest(body: Buffer): ChatRequest {
  let request: unknown;
  try {
    request = JSON.parse(body.toString('utf8'));
  } catch {
    request = null;
  }
  if (typeof request !== 'object' || request === null) return { model: '', asking: undefined };
  const model = 'model' in request && typeof request.model === 'string' ? request.model : '';
  if (!('stream' in request) || request.stream !== true) return { model, asking: undefined };
  const options =
    'stream_options' in request && typeof request.stream_options === 'object' ? request.stream_options : {};
  if (options && 'include_usage' in options && options.include_usage === true) return { model, asking: undefined };
  const asked = { ...request, stream_options: { ...options, include_usage: true } };
  return { model, asking: Buffer.from(JSON.stringify(asked)) };
}

/** Leaves out the events that hold usage and no choice. Events go on when they are whole. */
export function withoutUsageEvents(): Transform {
  let held = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      held = Buffer.concat([held, chunk]);
      let from = 0;
      for (let end = eventEnd(held, from); end >= 0; end = eventEnd(held, from)) {
        const event = held.subarray(from, end);
        if (!isUsageOnly(event)) this.push(event);
        from = end;
      }
      held = held.subarray(from);
      // No event is this long: it is not to be judged.
      if (held.length > heldBytesMax) {
        this.push(held);
        held = Buffer.alloc(0);
      }
      done();
    },
    flush(done) {
      if (held.length > 0) this.push(held);
      done();
    },
  });
}

function eventEnd(bytes: Buffer, from: number): number {
  const ends = ['\n\n', '\r\n\r\n'].map((blank) => {
    const at = bytes.indexOf(blank, from, 'latin1');
    return at < 0 ? Number.POSITIVE_INFINITY : at + blank.length;
  });
  const end = Math.min(...ends);
  return Number.isFinite(end) ? end : -1;
}

function isUsageOnly(event: Buffer): boolean {
  const text = event.toString('utf8').trim();
  if (!text.startsWith('data:') || !text.includes('"usage"')) return false;
  try {
    const { choices, usage } = JSON.parse(text.slice(5)) as { choices?: unknown; usage?: unknown };
    return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' && usage !== null;
  } catch {
    return false;
  }
}
