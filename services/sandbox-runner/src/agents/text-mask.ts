// Values of secrets in what is told of an agent, as many `*`. Pieces of a text are masked each for itself: a value that comes in two of
// them is masked in the whole text that follows them.

import type { EventPayloadInit } from '@worktrail/runtime/event-producer';

export type TextMask = ((payload: EventPayloadInit) => EventPayloadInit) & { text(text: string): string };

export function createTextMask(secrets: readonly string[]): TextMask {
  const values = [...new Set(secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]))]
    .filter((value) => value !== '')
    .toSorted((a, b) => b.length - a.length);
  const text = (shown: string) =>
    values.reduce((masked, value) => masked.replaceAll(value, '*'.repeat(value.length)), shown);
  const mask = (payload: EventPayloadInit): EventPayloadInit =>
    values.length === 0 ? payload : (maskStrings(payload, text) as EventPayloadInit);
  return Object.assign(mask, { text });
}

function maskStrings(value: unknown, text: (shown: string) => string): unknown {
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map((one) => maskStrings(one, text));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, maskStrings(one, text)]));
}
