// An event as it is published: the protobuf message, the bytes of output copied once.
//
// The general writer copies them for each level of the message that they are in.

import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type CommandOutput, CommandOutputSchema, type Event, EventSchema } from '@worktrail/proto/event';

const outputField = EventSchema.fields.find(({ localName }) => localName === 'commandOutput')!.number;
const bytesField = CommandOutputSchema.fields.find(({ localName }) => localName === 'bytes')!.number;

/** What `toBinary` gives, the fields of the message in another order where the payload is output. */
export function eventBytes(event: Event): Uint8Array {
  const { payload } = event;
  if (payload.case !== 'commandOutput') return toBinary(EventSchema, event);
  const { bytes } = payload.value;
  const envelope = toBinary(EventSchema, { ...event, payload: { case: undefined } });
  const place = toBinary(CommandOutputSchema, withoutBytes(payload.value));
  const bytesHead = new BinaryWriter().tag(bytesField, WireType.LengthDelimited).uint32(bytes.length).finish();
  const outputBytes = place.length + bytesHead.length + bytes.length;
  const outputHead = new BinaryWriter().tag(outputField, WireType.LengthDelimited).uint32(outputBytes).finish();
  return Buffer.concat([envelope, outputHead, place, bytesHead, bytes]);
}

function withoutBytes({ stream, offset, position }: CommandOutput): CommandOutput {
  return create(CommandOutputSchema, { stream, offset, position });
}
