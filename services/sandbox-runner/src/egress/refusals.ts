// What a sandbox was refused, as events: the first of a kind at once, the following ones counted, and told together a minute later.
//
// 1. One event for each destination and reason in a window, and one more that counts what followed.
// 2. At most `kindsMax` kinds in a window; what is beyond counts as one, without a name: a sandbox cannot flood its history.

import type { Destination } from './egress-rules.ts';

const windowMs = 60_000;
const kindsMax = 50;
const hostShownMax = 255;

/**
 * `not_allowed`: the project's list does not have it. `private_address`: it is this host's, private or reserved. `malformed`: no
 * request that could be read. `aborted`: one that broke off before its end. `model_path`: no call of a model. `model_missing`: the operator has no key for it.
 * `limit_reached`: the session's agent limits leave no room for it.
 */
export type RefusalReason =
  | 'not_allowed'
  | 'private_address'
  | 'malformed'
  | 'aborted'
  | 'model_path'
  | 'model_missing'
  | 'limit_reached'
  | 'many_others';

export interface Refusal extends Destination {
  reason: RefusalReason;
  /** How many of them this tells of. */
  count: number;
}

export interface RefusalCounter {
  /** What is to be told of at once, if anything. */
  note(to: Destination, reason: RefusalReason, nowMs: number): Refusal | undefined;
  /** When there will be something to tell; undefined: never, as it stands. */
  dueMs(): number | undefined;
  /** What is to be told of now, of windows that are over. */
  take(nowMs: number): Refusal[];
}

interface Kind extends Refusal {
  untilMs: number;
}

export function createRefusalCounter(): RefusalCounter {
  const kinds = new Map<string, Kind>();

  function add(refusal: Omit<Refusal, 'count'>, key: string, nowMs: number): Refusal {
    kinds.set(key, { ...refusal, count: 0, untilMs: nowMs + windowMs });
    return { ...refusal, count: 1 };
  }

  return {
    note({ host, port }, reason, nowMs) {
      const shown = host.slice(0, hostShownMax);
      const key = `${reason} ${port} ${shown}`;
      const known = kinds.get(key);
      if (known) known.count += 1;
      else if (kinds.size < kindsMax) return add({ host: shown, port, reason }, key, nowMs);
      else {
        const others = kinds.get('');
        if (!others) return add({ host: '', port: 0, reason: 'many_others' }, '', nowMs);
        others.count += 1;
      }
      return undefined;
    },
    dueMs: () => {
      const times = [...kinds.values()].map(({ untilMs }) => untilMs);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    take(nowMs) {
      const over = [...kinds].filter(([, { untilMs }]) => untilMs <= nowMs);
      for (const [key] of over) kinds.delete(key);
      return over.flatMap(([, { host, port, reason, count }]) => (count > 0 ? [{ host, port, reason, count }] : []));
    },
  };
}
