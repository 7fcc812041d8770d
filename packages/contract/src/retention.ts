// How long an organization's history is kept: what it says, within what the operator allows. Days since something was stored; null: for ever.

export const retentionKinds = ['events', 'output', 'audit'] as const;
export type RetentionKind = (typeof retentionKinds)[number];

export interface RetentionDays {
  /** Of archived sessions, with all of their history. */
  eventsDays: number | null;
  /** The bytes of commands that have ended. They go with the events, too. */
  outputDays: number | null;
  auditDays: number | null;
}

/** In the configuration bucket. */
export interface RetentionDocument extends RetentionDays {
  organizationId: string;
  updatedAt: string;
}

const prefix = 'retention';
export const retentionKeys = `${prefix}.*`;
export function retentionKey(organizationId: string): string {
  return `${prefix}.${organizationId}`;
}

export interface RetentionCeilings {
  eventsDaysMax: number | null;
  outputDaysMax: number | null;
  auditDaysMax: number | null;
}

const forEver: RetentionDays = { eventsDays: null, outputDays: null, auditDays: null };

/** What is in force. */
export function effectiveRetention(said: RetentionDays | undefined, ceilings: RetentionCeilings): RetentionDays {
  const { eventsDays, outputDays, auditDays } = said ?? forEver;
  return {
    eventsDays: shorter(eventsDays, ceilings.eventsDaysMax),
    outputDays: shorter(outputDays, ceilings.outputDaysMax),
    auditDays: shorter(auditDays, ceilings.auditDaysMax),
  };
}

function shorter(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
