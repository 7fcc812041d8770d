// An event as a server-sent event's bytes: `id:` the cursor, `event:` the type, `data:` the public JSON.
//
// The bytes of output, which are most of what passes through here, go straight into the place where they are sent from.

import { isAscii, isUtf8 } from 'node:buffer';
import type { Cursor } from '@worktrail/contract/cursor';
import { type PublicEvent, publicEvent } from '@worktrail/contract/event-json';
import type { Event } from '@worktrail/proto/event';

const end = '\n\n';
/** Of the JSON of an event: `data` is its last member. */
const closing = '}}';

export function serverSentEvent(event: Event, cursor: Cursor): Uint8Array<ArrayBuffer> {
  const { payload } = event;
  if (payload.case !== 'commandOutput') return Buffer.from(textOf(publicEvent(event, cursor)) + end);
  const { bytes } = payload.value;
  const withoutBytes = { ...payload.value, bytes: new Uint8Array() };
  const json = publicEvent({ ...event, payload: { case: payload.case, value: withoutBytes } }, cursor);
  delete json.data['bytes'];
  delete json.data['text'];
  const text = textOf(json);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = `${text.slice(0, -closing.length)},"bytes":"`;
  const asText = isUtf8(buffer) ? `,"text":${JSON.stringify(decoded(buffer))}` : '';
  return joined(
    [head, 'utf8'],
    [buffer.toString('base64'), 'latin1'],
    [`"`, 'latin1'],
    [asText, 'utf8'],
    [closing + end, 'latin1'],
  );
}

/** Written where they are to be, not put together as a string first. */
function joined(...parts: readonly [text: string, encoding: 'latin1' | 'utf8'][]): Buffer<ArrayBuffer> {
  const out = Buffer.allocUnsafe(
    parts.reduce((bytes, [text, encoding]) => bytes + Buffer.byteLength(text, encoding), 0),
  );
  let at = 0;
  for (const [text, encoding] of parts) at += out.write(text, at, encoding);
  return out;
}

function decoded(buffer: Buffer): string {
  return buffer.toString(isAscii(buffer) ? 'latin1' : 'utf8');
}

function textOf(event: PublicEvent): string {
  return `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}`;
}
