// Ids of everything the API names: a typeid, `<prefix>_<26 characters>`, sortable by creation.
//
// 1. `newId` is for processes; workflows use `idFrom` with the workflow's clock and randomness, so replay gives the same id.
// 2. `isId` is the only test of an id that comes from outside; what passes is safe in subjects, paths and labels.

import { TypeID, typeid } from 'typeid-js';

export const idPrefixes = {
  organization: 'org',
  principal: 'prn',
  key: 'key',
  project: 'prj',
  task: 'tsk',
  trial: 'trl',
  session: 'ses',
  turn: 'trn',
  command: 'cmd',
  checkpoint: 'chk',
  proposal: 'ppl',
  event: 'evt',
  suggestion: 'sug',
  webhook: 'whk',
} as const;

export type IdKind = keyof typeof idPrefixes;

const idPattern = /^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** A new id, from the process's clock and randomness. */
export function newId(kind: IdKind): string {
  return typeid(idPrefixes[kind]).toString();
}

/** An id from a time (ms since 1970) and 10 random or derived bytes; the same input gives the same id. */
export function idFrom(kind: IdKind, timeMs: number, entropy: Uint8Array): string {
  const bytes = new Uint8Array(16);
  let rest = Math.floor(timeMs);
  for (let i = 5; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes.set(entropy.subarray(0, 10), 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return TypeID.fromUUIDBytes(idPrefixes[kind], bytes).toString();
}

/** When an id was made, ms since 1970: what its maker's clock said. */
export function createdMsOf(id: string): number {
  const bytes = TypeID.fromString(id).toUUIDBytes();
  return bytes.subarray(0, 6).reduce((ms, byte) => ms * 256 + byte, 0);
}

/** The last characters of an id, for names people read (branches, container names). */
export function shortId(id: string): string {
  return id.slice(-8);
}

/** True for a well-formed id of this kind (or of any kind). */
export function isId(text: string, kind?: IdKind): boolean {
  return idPattern.test(text) && (kind === undefined || text.startsWith(`${idPrefixes[kind]}_`));
}
