// Which project is meant: an id, a name, or (nothing said) the one of the clone the cluster was started from.

import type { Project, WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { CliError, exitCodes, UsageError } from '../exit-codes.ts';

const projectId = /^prj_[0-9a-z]{26}$/;

export async function resolveProjectId(cli: Cli, client: WorktrailClient, named: string | undefined): Promise<string> {
  if (named === undefined) {
    const ownProject = (await cli.connection()).file?.projectId;
    if (ownProject) return ownProject;
    throw new UsageError('which project? Name it with --project <id or name> (see: worktrail project list)');
  }
  if (projectId.test(named)) return named;
  const matches: Project[] = [];
  for await (const project of client.projects.all()) if (project.name === named) matches.push(project);
  if (matches.length === 1) return matches[0]!.id;
  if (matches.length === 0) throw new CliError(`there is no project named "${named}"`, exitCodes.notFound);
  throw new UsageError(`${matches.length} projects are named "${named}": use the id (see: worktrail project list)`);
}
