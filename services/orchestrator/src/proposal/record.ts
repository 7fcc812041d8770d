// What is recorded of a proposal: events and document go out together.

import type { ProposalDocument } from '@worktrail/contract/documents';
import type { EventDraft } from '@worktrail/contract/event-draft';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';

/** Input of the activity `recordProposal`: appends the events as the proposal's own, then writes the document. */
export interface RecordProposalInput {
  /** The session in whose history they are. */
  ref: SandboxRef;
  events: EventDraft[];
  document: ProposalDocument;
}
