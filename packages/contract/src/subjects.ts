// Names on NATS: subjects, streams, buckets. Both sides of every wire spell them from here.
//
// worktrail.events.<partition>.<organization>.<session>.<producer>   stored in stream worktrail-events-<partition>
// worktrail.live.<partition>.<organization>.<session>.<producer>     the same messages, sent on once stored
// worktrail.audit.<organization>                                     stored in stream worktrail-audit
// worktrail.dead.<partition>.<organization>.<session>.<producer>     what could not be stored, stream worktrail-dead-letters
// worktrail.runner.<runnerId>.control                                requests to one runner (runner.proto)
// worktrail.health.<part>                                            answered by each process that can do the part's work
// worktrail.deliveries.<organization>.<webhook>                      attempts to deliver to a webhook, stream worktrail-deliveries
// worktrail.doctor.<part>                                            answered with what has no counterpart (doctor.ts)

import type { DoctorPart } from './doctor.ts';

export interface EventScope {
  partition: number;
  organizationId: string;
  sessionId: string;
}

/** The producer token of a session's workflow; a command's producer token is its id. */
export const sessionProducer = 'session';

export function eventSubject(scope: EventScope, producer: string): string {
  return `worktrail.events.${scope.partition}.${scope.organizationId}.${scope.sessionId}.${producer}`;
}

/** Pass '>' as producer for the whole session. */
export function liveSubject(scope: EventScope, producer: string): string {
  return `worktrail.live.${scope.partition}.${scope.organizationId}.${scope.sessionId}.${producer}`;
}

export function eventStream(partition: number): string {
  return `worktrail-events-${partition}`;
}

export function eventStreamSubjects(partition: number): { stored: string; live: string } {
  return { stored: `worktrail.events.${partition}.>`, live: `worktrail.live.${partition}.>` };
}

export const auditStream = 'worktrail-audit';
export const auditSubjects = 'worktrail.audit.>';
export function auditSubject(organizationId: string): string {
  return `worktrail.audit.${organizationId}`;
}

export const deadLetterStream = 'worktrail-dead-letters';
export const deadLetterSubjects = 'worktrail.dead.>';
export function deadLetterSubject(partition: number): string {
  return `worktrail.dead.${partition}`;
}

export function runnerControlSubject(runnerId: string): string {
  return `worktrail.runner.${runnerId}.control`;
}

/** `docker`: runners whose container engine answers. */
export type HealthPart = 'orchestrator' | 'sandbox-runner' | 'docker';

export function healthSubject(part: HealthPart): string {
  return `worktrail.health.${part}`;
}

export function doctorSubject(part: DoctorPart): string {
  return `worktrail.doctor.${part}`;
}

/**
 * Key-value buckets. `configuration`: organizations, principals, keys, projects, secrets, tasks. `runnerOrders`: RunnerOrder by
 * runner id, written by the gateway. `reconciliation`: since when the orchestrators have found what has no counterpart. `otlp`: how
 * far each partition was sent to the collector of traces.
 */
export const buckets = {
  configuration: 'worktrail-configuration',
  sessions: 'worktrail-sessions',
  trials: 'worktrail-trials',
  proposals: 'worktrail-proposals',
  idempotency: 'worktrail-idempotency',
  runners: 'worktrail-runners',
  runnerOrders: 'worktrail-runner-orders',
  reconciliation: 'worktrail-reconciliation',
  otlp: 'worktrail-otlp',
} as const;

/** Object store of what is kept of sessions' files (checkpoints.ts), as NATS' own tools read it. */
export const artifactBucket = 'worktrail-artifacts';

export function sessionKey(organizationId: string, sessionId: string): string {
  return `${organizationId}.${sessionId}`;
}

export function trialKey(organizationId: string, trialId: string): string {
  return `${organizationId}.${trialId}`;
}

export function proposalKey(organizationId: string, proposalId: string): string {
  return `${organizationId}.${proposalId}`;
}

/** Where a project stands in the configuration bucket. */
export function projectKey(organizationId: string, projectId: string): string {
  return `project.${organizationId}.${projectId}`;
}

/** Where the encrypted value of a project's secret is kept in the configuration bucket. */
export function secretKey(projectId: string, name: string): string {
  return `secret.${projectId}.${name}`;
}

/** Where the encrypted credential for a project's remote is kept in the configuration bucket. */
export function credentialKey(projectId: string): string {
  return `credential.${projectId}`;
}

/** The partition a new session is assigned to; fixed for its life. */
export function partitionOf(sessionId: string, partitions: number): number {
  let hash = 0;
  for (const character of sessionId) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0;
  return hash % partitions;
}

/** In the metadata of an event stream that lost what was stored: the epoch its cursors have from then on. */
export const streamEpochMetadata = 'worktrail.epoch';

/** In the metadata of a stream that was made again from a backup: when it was created before. */
export const streamCreatedMetadata = 'worktrail.created';
