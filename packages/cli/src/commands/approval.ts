// worktrail project approval: what a change needs before it reaches the project's branch.

import type { ApprovalPolicy, PullRequestHost } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes, UsageError } from '../exit-codes.ts';
import { resolveProjectId } from './resolve-project.ts';

export interface ApprovalOptions {
  required?: number;
  authorMayApprove?: boolean;
  /** false: `--no-checks`. */
  check?: string[];
  checks: boolean;
  mergeMethod?: ApprovalPolicy['mergeMethod'];
  pullRequests?: PullRequestHost;
  pullRequestsApi?: string;
}

/** Without an option it is only shown. */
export async function projectApproval(cli: Cli, named: string | undefined, options: ApprovalOptions): Promise<number> {
  const { required, authorMayApprove, mergeMethod, pullRequests: host, pullRequestsApi: apiUrl } = options;
  if (apiUrl && !host) throw new UsageError('--pull-requests-api needs --pull-requests');
  const requiredChecks = options.checks ? options.check : [];
  const wanted: Partial<ApprovalPolicy> = {
    ...(required !== undefined && { requiredApprovals: required }),
    ...(authorMayApprove !== undefined && { authorMayApprove }),
    ...(requiredChecks && { requiredChecks }),
    ...(mergeMethod && { mergeMethod }),
    ...(host && { pullRequest: { host, ...(apiUrl && { apiUrl }) } }),
  };
  const { projects } = await cli.client();
  const projectId = await resolveProjectId(cli, await cli.client(), named);
  const isChange = Object.keys(wanted).length > 0;
  const { approval } = isChange
    ? await projects.update(projectId, { approval: wanted })
    : await projects.get(projectId);
  if (cli.screen.json) await cli.screen.document(approval);
  else {
    await cli.screen.fields([
      ['required approvals', String(approval.requiredApprovals)],
      ['author may approve', approval.authorMayApprove ? 'yes' : 'no'],
      ['merge method', approval.mergeMethod],
      [
        'pull requests',
        approval.pullRequest && [approval.pullRequest.host, approval.pullRequest.apiUrl].join(' ').trim(),
      ],
      ...approval.requiredChecks.map((command): [string, string] => ['required check', command]),
    ]);
    if (isChange) cli.screen.note('Open proposals have lost their approvals: those were given under another policy.');
  }
  return exitCodes.ok;
}
