// Pieces of one text that follow each other, as fewer events.

import type { EventPayloadInit } from '@worktrail/runtime/event-producer';

const deltaLengthMax = 32 * 1024;

export function joinedDeltas(payloads: readonly EventPayloadInit[]): EventPayloadInit[] {
  const joined: EventPayloadInit[] = [];
  for (const payload of payloads) {
    const last = joined.at(-1);
    const both = last && joinedDelta(last, payload);
    if (both) joined[joined.length - 1] = both;
    else joined.push(payload);
  }
  return joined;
}

function joinedDelta(first: EventPayloadInit, second: EventPayloadInit): EventPayloadInit | undefined {
  if (first.case !== 'messageAgentDelta' && first.case !== 'reasoningDelta') return undefined;
  if (second.case !== first.case || second.value.messageId !== first.value.messageId) return undefined;
  const text = `${first.value.text ?? ''}${second.value.text ?? ''}`;
  if (text.length > deltaLengthMax) return undefined;
  const { messageId = '', attempt = 1 } = first.value;
  return { case: first.case, value: { messageId, attempt, text } };
}
