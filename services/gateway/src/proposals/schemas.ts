// The JSON of a proposal.

import { z } from '@hono/zod-openapi';
import { commandOutcomes } from '@worktrail/contract/commands';
import { type ProposalDocument, proposalStates, pullRequestHosts } from '@worktrail/contract/documents';
import { limits } from '@worktrail/contract/limits';
import { id, name, text, time } from '../text.ts';

const commit = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'must be a full commit id');

export const createProposalSchema = z
  .strictObject({ title: name.optional(), description: text(limits.descriptionLengthMax).optional() })
  .openapi('CreateProposal');

export const decideProposalSchema = z
  .strictObject({
    comment: text(limits.descriptionLengthMax).default(''),
    headCommit: commit.optional().openapi({ description: 'What it is about: 409 where the head is another by now.' }),
  })
  .openapi('DecideProposal');

export const proposalSchema = z
  .object({
    id: id('proposal'),
    sessionId: id('session'),
    projectId: id('project'),
    title: z.string(),
    description: z.string(),
    state: z.enum(proposalStates),
    targetBranch: z.string(),
    baseCommit: z.string().nullable().openapi({ description: "The target's commit that the head was merged with." }),
    headCommit: z.string().nullable(),
    candidateTree: z.string().nullable().openapi({ description: 'What is checked; nothing else will land.' }),
    filesChanged: z.int().nullable(),
    conflicts: z.array(z.string()).openapi({ description: 'Paths, at most 100 of them.' }),
    checks: z.array(
      z.object({
        command: z.string(),
        outcome: z.enum(commandOutcomes).nullable(),
        exitCode: z.int().nullable(),
        commandId: id('command').nullable(),
      }),
    ),
    checkSessionId: id('session').nullable().openapi({ description: 'The session in which the checks run.' }),
    approvals: z.array(z.object({ by: id('principal'), at: time, headCommit: z.string(), comment: z.string() })),
    requiredApprovals: z.int(),
    mergeRequestedBy: id('principal').nullable(),
    mergeCommit: z.string().optional(),
    pullRequest: z
      .object({
        host: z.enum(pullRequestHosts),
        url: z.string(),
        number: z.int(),
        state: z.enum(['open', 'merged', 'closed']),
        branch: z.string(),
        headCommit: z.string().openapi({ description: 'What was pushed to the branch.' }),
        by: z.string().nullable().openapi({ description: 'Who merged or closed it, by the name that the host has.' }),
        mergedTree: z
          .string()
          .nullable()
          .openapi({ description: 'What the host merged: not what was checked where it is not `candidateTree`.' }),
      })
      .nullable()
      .openapi({ description: 'Where it was put up on the host of the remote, as that last said.' }),
    detail: z.string().nullable().openapi({ description: 'What it waits for, or why something did not work.' }),
    createdBy: id('principal'),
    createdAt: time,
    updatedAt: time,
  })
  .openapi('Proposal');

export function proposalJson(document: ProposalDocument) {
  const { version: _version, organizationId: _organizationId, artifacts: _artifacts, mergeCommit, ...shown } = document;
  return { ...shown, ...(mergeCommit !== null && { mergeCommit }) };
}
