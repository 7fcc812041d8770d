// Projects as other resources need them.

import type { CredentialDocument } from '@worktrail/contract/documents';
import type { SessionSpec } from '@worktrail/contract/session-messages';
import { credentialKey } from '@worktrail/contract/subjects';
import { effectiveEnvironment, type OperatorConfig } from '@worktrail/runtime/operator-config';
import type { Stored } from '@worktrail/runtime/buckets';
import { type Action, authorize, type Principal } from '../authorize.ts';
import { projectKey, secretList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import { notFound } from '../problem.ts';
import { type NewSession, sessionSpec } from '../sessions/session-spec.ts';
import type { ProjectDocument } from './project-document.ts';

export interface ProjectReader {
  /** @throws not_found, scope_missing */
  open(principal: Principal, projectId: string, action: Action): Promise<Stored<ProjectDocument>>;
  spec(input: NewSession, project: ProjectDocument, principal: Principal): SessionSpec;
  /** As the API shows it: every default filled in, secrets by name, of the credential only that there is one. */
  json(project: ProjectDocument): Promise<Record<string, unknown>>;
}

export function createProjectReader(
  store: ConfigurationStore,
  settings: { operator: OperatorConfig; partitions: number },
): ProjectReader {
  return {
    async open(principal, projectId, action) {
      const stored = await store.read<ProjectDocument>(projectKey(principal.organizationId, projectId));
      if (!stored) throw notFound(projectId);
      authorize(principal, action, stored.value);
      return stored;
    },
    spec: (input, project, principal) => sessionSpec(input, project, principal, settings),
    async json(project) {
      const secrets = (await store.names(secretList(project.id))).toSorted();
      const credential = (await store.read<CredentialDocument>(credentialKey(project.id)))?.value;
      return {
        id: project.id,
        name: project.name,
        repository: project.repository,
        environment: effectiveEnvironment(settings.operator, project.environment).environment,
        secrets,
        credential: credential ? { kind: credential.kind, setAt: credential.setAt } : null,
        hibernateAfterSeconds: project.hibernateAfterSeconds ?? settings.operator.defaults.hibernateAfterSeconds,
        approval: project.approval,
        createdAt: project.createdAt,
        updatedAt: project.updatedAt,
      };
    },
  };
}
