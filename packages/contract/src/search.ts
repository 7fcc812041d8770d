// Search in the history: which events have text, and how much is asked at once.

import type { EventType } from './event-types.ts';

export const searchedTypes = [
  'message.user',
  'message.agent',
  'message.summary',
  'reasoning',
  'command.queued',
  'command.output',
] as const satisfies readonly EventType[];

export type SearchedType = (typeof searchedTypes)[number];

export const searchQueryLengthMax = 500;
export const searchHitsMax = 100;
export const searchHitsDefault = 20;
