// The last number that was seen of each producer of a feed: whether a live event follows it.
//
// 1. Numbers that are left out are noticed, also where the stream's own sequences show no hole: what it lost fills the history only.
// 2. Of a producer that is not known yet only its first event follows. At most `producersMax` are known; the others are again unknown.

import type { Event } from '@worktrail/proto/event';

export interface ProducerNumbers {
  /** False where events before it may be missing. From then on it counts as seen. */
  follows(event: Event): boolean;
  /** It was read from the history. */
  note(event: Event): void;
}

export function createProducerNumbers(producersMax = 1_024): ProducerNumbers {
  const numbers = new Map<string, number>();

  function note({ producer, number }: Event): void {
    const known = numbers.get(producer) ?? 0;
    // Taken out and put back: the map's order is that of use.
    numbers.delete(producer);
    numbers.set(producer, Math.max(known, Number(number)));
    if (numbers.size > producersMax) numbers.delete(numbers.keys().next().value!);
  }

  return {
    note,
    follows: (event) => {
      const known = numbers.get(event.producer) ?? 0;
      note(event);
      return Number(event.number) <= known + 1;
    },
  };
}
