// What a new session's workflow starts with, and the document that announces it.

import type { AgentLimits } from '@worktrail/contract/agents';
import type { SessionDocument } from '@worktrail/contract/documents';
import { limits } from '@worktrail/contract/limits';
import type { SessionSpec } from '@worktrail/contract/session-messages';
import { partitionOf } from '@worktrail/contract/subjects';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { Principal } from '../authorize.ts';
import { checkJsonSize } from '../json-size.ts';
import type { ProjectDocument } from '../projects/project-document.ts';
import { environmentOf } from '../projects/project-environment.ts';
import { branchName } from './branch-name.ts';

export interface NewSession {
  sessionId: string;
  title: string;
  taskId: string | null;
  trialId: string | null;
  baseRef: string | null;
  env: Record<string, string>;
  labels: Record<string, string>;
  agentLimits?: AgentLimits | undefined;
  createdAt: string;
}

/** @throws validation_failed when the operator no longer allows the project's environment, or the whole is too large. */
export function sessionSpec(
  input: NewSession,
  project: ProjectDocument,
  principal: Principal,
  settings: { operator: OperatorConfig; partitions: number },
): SessionSpec {
  const spec: SessionSpec = {
    organizationId: principal.organizationId,
    projectId: project.id,
    sessionId: input.sessionId,
    taskId: input.taskId,
    trialId: input.trialId,
    partition: partitionOf(input.sessionId, settings.partitions),
    title: input.title,
    labels: input.labels,
    repository: project.repository,
    baseRef: input.baseRef,
    branch: branchName(input.title, input.sessionId),
    environment: environmentOf(settings.operator, project.environment),
    env: input.env,
    cancelGraceSeconds: settings.operator.defaults.cancelGraceSeconds,
    hibernateAfterSeconds: project.hibernateAfterSeconds ?? settings.operator.defaults.hibernateAfterSeconds,
    archiveBytesMax: settings.operator.artifacts.archiveBytesMax,
    createdAt: input.createdAt,
    createdBy: { kind: 'user', id: principal.id },
    ...(input.agentLimits && { agentLimits: input.agentLimits }),
  };
  checkJsonSize(spec, limits.sessionSpecBytesMax, 'env', 'makes, with the environment of the project,');
  return spec;
}

/** Version 0: whatever the workflow reports is newer. */
export function firstDocument(spec: SessionSpec): SessionDocument {
  const { fork } = spec;
  return {
    version: 0,
    id: spec.sessionId,
    organizationId: spec.organizationId,
    projectId: spec.projectId,
    taskId: spec.taskId,
    trialId: spec.trialId,
    partition: spec.partition,
    title: spec.title,
    labels: spec.labels,
    state: fork ? 'hibernated' : 'creating',
    repository: spec.repository,
    branch: spec.branch,
    baseCommit: fork?.restore.baseCommit ?? null,
    headCommit: fork?.headCommit ?? null,
    position: null,
    runnerId: null,
    generation: 0,
    filesGeneration: 0,
    waitingForPlaceSince: null,
    checkpoint: fork?.restore.checkpoint ?? null,
    artifacts: fork?.restore.bundles.map(({ name }) => name) ?? [],
    fork: fork ? { sessionId: fork.sessionId, checkpointId: fork.restore.checkpoint.id } : null,
    inherited: fork?.inherited ?? [],
    forkPoint: null,
    failure: null,
    ...(spec.agentLimits && { agentLimits: spec.agentLimits }),
    createdAt: spec.createdAt,
    lastActiveAt: spec.createdAt,
  };
}
