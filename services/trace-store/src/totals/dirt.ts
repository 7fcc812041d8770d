// What is to be counted again: the sessions and days that events were stored of, or whole organizations where these are too many to name.
//
// 1. Adding to it is idempotent: what is counted twice is counted right.
// 2. It is bounded: beyond `entriesMax` sessions and days the organizations stand for all of theirs.

import type { Cursor } from '@worktrail/contract/cursor';
import type { ParsedEvent } from '../ingest/parse-event.ts';

export interface SessionRef {
  organizationId: string;
  sessionId: string;
}

export interface DayRef {
  organizationId: string;
  /** `2026-01-31`, in UTC. */
  day: string;
}

export interface Dirt {
  organizations: Set<string>;
  /** By their parts joined. */
  sessions: Map<string, SessionRef>;
  days: Map<string, DayRef>;
  /** By partition: with all this, the events up to here are counted. */
  positions: Map<number, Cursor>;
  /** Partitions of which more may be stored than is told here. */
  unknown: Set<number>;
}

export const entriesMax = 20_000;
export const dayMs = 86_400_000;

export function noDirt(): Dirt {
  return { organizations: new Set(), sessions: new Map(), days: new Map(), positions: new Map(), unknown: new Set() };
}

export function isClean({ organizations, sessions, days, positions, unknown }: Dirt): boolean {
  return [organizations, sessions, days, positions, unknown].every(({ size }) => size === 0);
}

export function addEvents(dirt: Dirt, events: readonly Pick<ParsedEvent, 'event' | 'time'>[]): void {
  const seen = new Set<string>();
  for (const { event, time } of events) {
    const { organizationId, sessionId } = event;
    const key = `${organizationId}.${sessionId}.${Math.floor(time.getTime() / dayMs)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    addSession(dirt, { organizationId, sessionId });
    addDay(dirt, { organizationId, day: time.toISOString().slice(0, 10) });
  }
}

export function addSession(dirt: Dirt, session: SessionRef): void {
  if (dirt.organizations.has(session.organizationId)) return;
  dirt.sessions.set(`${session.organizationId}.${session.sessionId}`, session);
  bound(dirt);
}

export function addDay(dirt: Dirt, day: DayRef): void {
  if (dirt.organizations.has(day.organizationId)) return;
  dirt.days.set(`${day.organizationId}.${day.day}`, day);
  bound(dirt);
}

export function addOrganization(dirt: Dirt, organizationId: string): void {
  dirt.organizations.add(organizationId);
  for (const map of [dirt.sessions, dirt.days]) {
    for (const [key, entry] of map) if (entry.organizationId === organizationId) map.delete(key);
  }
}

/** Of two that came one after the other; both are as good as gone afterwards. */
export function addDirt(earlier: Dirt, later: Dirt): Dirt {
  const all = noDirt();
  for (const { organizations, sessions, days, positions, unknown } of [earlier, later]) {
    for (const organizationId of organizations) addOrganization(all, organizationId);
    for (const session of sessions.values()) addSession(all, session);
    for (const day of days.values()) addDay(all, day);
    for (const [partition, position] of positions) all.positions.set(partition, position);
    for (const partition of unknown) all.unknown.add(partition);
  }
  return all;
}

function bound(dirt: Dirt): void {
  if (dirt.sessions.size + dirt.days.size <= entriesMax) return;
  const entries = [...dirt.sessions.values(), ...dirt.days.values()];
  for (const organizationId of new Set(entries.map((entry) => entry.organizationId)))
    dirt.organizations.add(organizationId);
  dirt.sessions.clear();
  dirt.days.clear();
}
