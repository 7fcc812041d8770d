// The credential of a project for its remote: written, never read back; the project shows its kind and since when it is set.

import { z } from '@hono/zod-openapi';
import type { CredentialDocument } from '@worktrail/contract/documents';
import { credentialKey } from '@worktrail/contract/subjects';
import { credentialTaker, type RemoteCredential, sealCredential } from '@worktrail/runtime/remote-credential';
import type { SecretBox } from '@worktrail/runtime/secret-box';
import type { Audit } from '../audit.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Api } from '../http/api.ts';
import { noContent } from '../http/reply.ts';
import { invalid, notFound } from '../problem.ts';
import { id } from '../text.ts';
import { putCredentialSchema } from './credential-schema.ts';
import type { ProjectReader } from './project-reader.ts';

const tag = 'Projects';
const path = '/v1/projects/{projectId}/credential';
const params = z.object({ projectId: id('project') });

export interface CredentialRouteDeps {
  store: ConfigurationStore;
  projects: ProjectReader;
  audit: Audit;
  box: SecretBox;
}

export function addCredentialRoutes(api: Api, { store, projects, audit, box }: CredentialRouteDeps): void {
  api.route(
    {
      method: 'put',
      path,
      tag,
      summary: 'Set the credential for the remote; it is used for the server that the project names now',
      action: 'credential.write',
      params,
      body: putCredentialSchema,
      answers: { 204: { description: 'Set' } },
    },
    async (request) => {
      const { principal, params: given, body, draw } = request;
      const { value: project } = await projects.open(principal, given.projectId, 'credential.write');
      const server = serverFor(project.repository.url, body.kind);
      const credential: RemoteCredential = { ...body, server };
      const setAt = new Date(draw.timeMs).toISOString();
      await store.put(credentialKey(project.id), sealCredential(box, project.id, credential, setAt));
      await audit.record(request, {
        organizationId: project.organizationId,
        action: 'credential.set',
        resourceId: project.id,
        detail: { kind: body.kind, server },
      });
      return noContent;
    },
  );
  api.route(
    {
      method: 'delete',
      path,
      tag,
      summary: 'Delete the credential for the remote',
      action: 'credential.write',
      params,
      answers: { 204: { description: 'Deleted' } },
    },
    async (request) => {
      const { principal, params: given } = request;
      const { value: project } = await projects.open(principal, given.projectId, 'credential.write');
      const stored = await store.read<CredentialDocument>(credentialKey(project.id));
      if (!stored) throw notFound('the credential');
      await store.remove(credentialKey(project.id));
      await audit.record(request, {
        organizationId: project.organizationId,
        action: 'credential.deleted',
        resourceId: project.id,
        detail: { kind: stored.value.kind },
      });
      return noContent;
    },
  );
}

/** @throws validation_failed where the project's address takes none of this kind. */
function serverFor(url: string, kind: RemoteCredential['kind']): string {
  const taker = credentialTaker(url);
  if (taker?.kind === kind) return taker.server;
  const takes = taker ? `takes a credential of kind ${taker.kind}` : 'takes no credential';
  throw invalid({ path: 'kind', message: `the project's repository.url ${takes}` });
}
