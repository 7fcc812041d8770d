// What has no counterpart, as each part of the system finds it and tells whoever asks.
//
// Asked on `worktrail.doctor.<part>`: every runner answers for its host, one of the orchestrators for what belongs to no host. JSON.

export type DoctorPart = 'sandbox-runner' | 'orchestrator';

export interface Finding {
  /** "container", "volume", "network", "directory", "leftover", "image"; "artifact", "session", "workflow", "trial", "proposal", "webhook", "order", "bucket". */
  kind: string;
  /** What the part itself calls it; unique within the kind and part. */
  name: string;
  /** null: nobody's. */
  organizationId: string | null;
  sessionId: string | null;
  generation: number | null;
  /** Since when it has been found so. ISO 8601. */
  since: string;
  /** For people, and the same as long as the finding is. */
  reason: string;
  /** "remove" it, or set it right: the document of what is no more, the workflow of a webhook. "report": only a person can tell what to do. */
  action: 'remove' | 'report';
  /** From when on it is removed; null for "report". */
  due: string | null;
}

export interface DoctorRequest {
  /** Findings of this organization, and those that are nobody's. */
  organizationId: string;
  /** Remove, or set right, what is due. */
  fix: boolean;
}

export interface DoctorAnswer {
  part: DoctorPart;
  /** Of the process: a runner's id. */
  id: string;
  /** At most `findingsMax`; after a fix, what is left. */
  findings: Finding[];
  removed: Finding[];
  failed: { finding: Finding; reason: string }[];
  checkedAt: string;
  /** There are more. */
  truncated: boolean;
  /** What could not be looked at, for people. */
  incomplete: string[];
}

export const findingsMax = 1_000;
export const doctorAnswerMs = 10_000;
/** Removing containers and volumes takes its time. */
export const doctorFixMs = 30_000;
