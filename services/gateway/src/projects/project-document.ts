// A project as it is stored.

import type { RepositoryRef } from '@worktrail/contract/environment';
import type { EnvironmentInput } from '@worktrail/runtime/operator-config';

export interface ApprovalPolicy {
  requiredApprovals: number;
  authorMayApprove: boolean;
  requiredChecks: string[];
  mergeMethod: 'merge' | 'squash' | 'pull_request';
}

export interface ProjectDocument {
  id: string;
  organizationId: string;
  name: string;
  repository: RepositoryRef;
  /** As it was given: the operator's defaults and ceilings are applied when a session starts. */
  environment: EnvironmentInput;
  hibernateAfterSeconds: number | null;
  approval: ApprovalPolicy;
  createdAt: string;
  updatedAt: string;
}
