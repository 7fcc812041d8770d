// The JSON of a project.

import { z } from '@hono/zod-openapi';
import { pullRequestHosts } from '@worktrail/contract/documents';
import { limits } from '@worktrail/contract/limits';
import { debianPackage } from '@worktrail/contract/sandbox-image';
import { jsonBytes } from '../json-size.ts';
import { gitRef } from '../sessions/git-ref.ts';
import { commandText, environmentName, environmentValue, id, labels, name, text, time } from '../text.ts';

const environmentVariables = z
  .record(environmentName, z.union([environmentValue, z.strictObject({ secret: environmentName })]))
  .refine(
    (value) => Object.keys(value).length <= limits.envVariablesMax,
    `has over ${limits.envVariablesMax} variables`,
  );

/** Inside the work tree or the home directory. */
const persistPath = text(1_000)
  .min(1)
  .refine((path) => !path.split('/').includes('..'), 'must not contain ..');

const allowedHost = z
  .string()
  .max(300)
  .regex(/^(\*\.)?[A-Za-z0-9.-]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/, 'must be host:port')
  .refine((host) => isPort(Number(/\d*$/.exec(host)?.[0])), 'must have a port from 1 to 65535');

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535;
}

const positive = z.int().positive();
const outputOverflow = z.enum(['end', 'keep_tail']);

export const environmentSchema = z
  .strictObject({
    image: z
      .string()
      .min(1)
      .max(500)
      .regex(/^[\w][\w./:@-]*$/, 'is no image name')
      .optional(),
    packages: z.array(z.string().regex(debianPackage, 'is no Debian package')).max(limits.packagesMax).optional(),
    env: environmentVariables.optional(),
    setup: z.array(commandText).max(limits.setupCommandsMax).optional(),
    persist: z.array(persistPath).max(100).optional(),
    network: z
      .strictObject({
        mode: z.enum(['none', 'restricted', 'open']).optional(),
        allow: z.array(allowedHost).max(500).optional(),
      })
      .optional(),
    runtime: z.enum(['runc', 'runsc']).optional(),
    runnerLabels: labels.optional(),
    resources: z
      .strictObject({
        // Less than this no container engine gives.
        cpus: z.number().min(0.01).optional(),
        memoryMb: z.int().min(6).optional(),
        pids: positive.optional(),
        outputBytesMax: positive.optional(),
        outputOverflow: outputOverflow.optional().openapi({
          description: 'A command above `outputBytesMax` is ended, or goes on and the end of its output is kept.',
        }),
      })
      .optional(),
  })
  .openapi('EnvironmentInput');

const approvalFields = {
  requiredApprovals: z.int().min(0).max(100),
  authorMayApprove: z.boolean(),
  requiredChecks: z
    .array(commandText)
    .max(limits.setupCommandsMax)
    .refine(
      (checks) => jsonBytes(checks) <= limits.requiredChecksBytesMax,
      `hold over ${limits.requiredChecksBytesMax} bytes in all`,
    ),
  mergeMethod: z.enum(['merge', 'squash', 'pull_request']).openapi({
    description: 'With `pull_request` the head is put up on the host of the remote, which merges it.',
  }),
  pullRequest: z
    .strictObject({ host: z.enum(pullRequestHosts), apiUrl: z.url().max(2_000).optional() })
    .nullable()
    .openapi({
      description:
        'Whose API opens pull requests, by the token of the project’s credential. null: told by repository.url, for github.com and ' +
        'gitlab.com. `apiUrl` is on the same server, and needed where the API is not at its usual path.',
    }),
};

export const approvalDefaults = {
  requiredApprovals: 1,
  authorMayApprove: false,
  requiredChecks: [] as string[],
  mergeMethod: 'merge' as const,
  pullRequest: null,
};

const approvalInput = z.strictObject(approvalFields).partial();
const hibernateAfterSeconds = z
  .int()
  .min(0)
  .max(31_536_000)
  .openapi({ description: 'A session without a live command for so long is hibernated; 0: never.' });
const repositoryUrl = text(2_000).min(1).openapi({ example: 'https://git.example.org/team/app.git' });

export const createProjectSchema = z
  .strictObject({
    name,
    repository: z.strictObject({ url: repositoryUrl, defaultBranch: gitRef.optional() }),
    environment: environmentSchema.default({}),
    hibernateAfterSeconds: hibernateAfterSeconds.optional(),
    approval: approvalInput.default({}),
  })
  .openapi('CreateProject');

export const patchProjectSchema = z
  .strictObject({
    name: name.optional(),
    repository: z.strictObject({ url: repositoryUrl.optional(), defaultBranch: gitRef.optional() }).optional(),
    environment: environmentSchema
      .optional()
      .openapi({ description: 'Members that are given replace those of the project.' }),
    hibernateAfterSeconds: hibernateAfterSeconds.optional(),
    approval: approvalInput.optional(),
  })
  .openapi('PatchProject');

export const projectSchema = z
  .object({
    id: id('project'),
    name: z.string(),
    repository: z.object({ url: z.string(), defaultBranch: z.string() }),
    environment: z
      .object({
        image: z.string().nullable(),
        packages: z.array(z.string()),
        env: z.record(z.string(), z.union([z.string(), z.object({ secret: z.string() })])),
        setup: z.array(z.string()),
        persist: z.array(z.string()),
        network: z.object({ mode: z.enum(['none', 'restricted', 'open']), allow: z.array(z.string()) }),
        runtime: z.enum(['runc', 'runsc']),
        runnerLabels: z.record(z.string(), z.string()),
        resources: z.object({
          cpus: z.number(),
          memoryMb: z.number(),
          pids: z.number(),
          outputBytesMax: z.number(),
          outputOverflow,
        }),
      })
      .openapi('Environment'),
    secrets: z.array(z.string()).openapi({ description: 'Names; values are never shown.' }),
    credential: z
      .object({ kind: z.enum(['token', 'ssh_key']), setAt: time })
      .nullable()
      .openapi({ description: 'For the remote; itself never shown.' }),
    hibernateAfterSeconds: z.number(),
    approval: z.object(approvalFields).openapi('ApprovalPolicy'),
    createdAt: time,
    updatedAt: time,
  })
  .openapi('Project');

export const putSecretSchema = z.strictObject({ value: environmentValue.min(1) }).openapi('PutSecret');
