// The public JSON of an event, with the bytes of output encoded by Node itself: they are most of what passes through here.

import { isUtf8 } from 'node:buffer';
import type { Cursor } from '@worktrail/contract/cursor';
import { type PublicEvent, publicEvent } from '@worktrail/contract/event-json';
import type { Event } from '@worktrail/proto/event';

/** The same as `publicEvent` gives. */
export function eventJson(event: Event, cursor: Cursor): PublicEvent {
  const { payload } = event;
  if (payload.case !== 'commandOutput') return publicEvent(event, cursor);
  const { bytes } = payload.value;
  const withoutBytes = { ...payload.value, bytes: new Uint8Array() };
  const json = publicEvent({ ...event, payload: { case: payload.case, value: withoutBytes } }, cursor);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  json.data['bytes'] = buffer.toString('base64');
  delete json.data['text'];
  if (isUtf8(buffer)) json.data['text'] = buffer.toString('utf8');
  return json;
}
