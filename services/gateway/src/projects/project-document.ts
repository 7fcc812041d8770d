// A project as it is stored.

import type { ApprovalPolicy } from '@worktrail/contract/documents';
import type { RepositoryRef } from '@worktrail/contract/environment';
import type { EnvironmentInput } from '@worktrail/runtime/operator-config';

export interface ProjectDocument {
  id: string;
  organizationId: string;
  name: string;
  repository: RepositoryRef;
  /** As it was given: the operator's defaults and ceilings are applied when a session starts. */
  environment: EnvironmentInput;
  hibernateAfterSeconds: number | null;
  approval: ApprovalPolicy;
  /** Grows with each change of the policy, which voids approvals. Absent: 1. */
  approvalVersion?: number;
  createdAt: string;
  updatedAt: string;
}
