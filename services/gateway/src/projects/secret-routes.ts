// Secrets of a project: written, never read back; listed by name in the project.

import { z } from '@hono/zod-openapi';
import type { SecretDocument } from '@worktrail/contract/documents';
import { secretKey } from '@worktrail/contract/subjects';
import type { SecretBox } from '@worktrail/runtime/secret-box';
import type { Audit } from '../audit.ts';
import { secretList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Api } from '../http/api.ts';
import { noContent } from '../http/reply.ts';
import { invalid, notFound } from '../problem.ts';
import { environmentName, id } from '../text.ts';
import type { ProjectReader } from './project-reader.ts';
import { putSecretSchema } from './schemas.ts';

const tag = 'Projects';
const path = '/v1/projects/{projectId}/secrets/{name}';
const params = z.object({ projectId: id('project'), name: z.string().max(1_000) });
const secretsMax = 256;

export interface SecretRouteDeps {
  store: ConfigurationStore;
  projects: ProjectReader;
  audit: Audit;
  box: SecretBox;
}

export function addSecretRoutes(api: Api, { store, projects, audit, box }: SecretRouteDeps): void {
  api.route(
    {
      method: 'put',
      path,
      tag,
      summary: 'Set a secret',
      action: 'secret.write',
      params,
      body: putSecretSchema,
      answers: { 204: { description: 'Set' } },
    },
    async (request) => {
      const { projectId, name } = request.params;
      if (!environmentName.safeParse(name).success) {
        throw invalid({ path: 'name', message: 'must be letters, digits and _, not beginning with a digit' });
      }
      const { value: project } = await projects.open(request.principal, projectId, 'secret.write');
      const names = await store.names(secretList(projectId));
      if (!names.includes(name) && names.length >= secretsMax) {
        throw invalid({ path: 'name', message: `the project has its maximum of ${secretsMax} secrets` });
      }
      const key = secretKey(projectId, name);
      const secret: SecretDocument = {
        name,
        sealed: box.seal(request.body.value, key),
        updatedAt: new Date(request.draw.timeMs).toISOString(),
      };
      await store.put(key, secret);
      const { organizationId } = project;
      await audit.record(request, { organizationId, action: 'secret.set', resourceId: projectId, detail: { name } });
      return noContent;
    },
  );
  api.route(
    {
      method: 'delete',
      path,
      tag,
      summary: 'Delete a secret',
      action: 'secret.write',
      params,
      answers: { 204: { description: 'Deleted' } },
    },
    async (request) => {
      const { projectId, name } = request.params;
      const { value: project } = await projects.open(request.principal, projectId, 'secret.write');
      const isName = environmentName.safeParse(name).success;
      const stored = isName && (await store.read(secretKey(projectId, name)));
      if (!stored) throw notFound(`the secret ${name}`);
      await store.remove(secretKey(projectId, name));
      const { organizationId } = project;
      await audit.record(request, {
        organizationId,
        action: 'secret.deleted',
        resourceId: projectId,
        detail: { name },
      });
      return noContent;
    },
  );
}
