// worktrail project create | list | show | credential

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { PutCredential, EnvironmentInput, Project } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes, UsageError } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';
import { resolveProjectId } from './resolve-project.ts';

export interface ProjectCreateOptions {
  repository: string;
  branch?: string;
  setup?: string[];
  packages?: string[];
  env?: Record<string, string>;
  /** A JSON file with the environment, as in the API. */
  environment?: string;
}

export async function projectCreate(cli: Cli, name: string | undefined, options: ProjectCreateOptions) {
  const { cwd } = cli.surroundings;
  const url = repositoryUrl(options.repository, cwd, existsSync);
  const fromFile = options.environment ? await readEnvironment(resolve(cwd, options.environment)) : {};
  const environment: EnvironmentInput = {
    ...fromFile,
    ...(options.packages && { packages: options.packages }),
    ...(options.setup && { setup: options.setup }),
    ...(options.env && { env: { ...fromFile.env, ...options.env } }),
  };
  const project = await (await cli.client()).projects.create({
    name: name ?? basename(url).replace(/\.git$/, ''),
    repository: { url, defaultBranch: options.branch },
    ...(Object.keys(environment).length > 0 && { environment }),
  });
  await (cli.screen.json ? cli.screen.document(project) : cli.screen.line(project.id));
  return exitCodes.ok;
}

/** A path that is there becomes absolute; everything else is left to git. */
export function repositoryUrl(text: string, cwd: string, exists: (path: string) => boolean): string {
  const isRemote = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const path = resolve(cwd, text);
  return !isRemote && exists(path) ? path : text;
}

async function readEnvironment(path: string): Promise<EnvironmentInput> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as EnvironmentInput;
  } catch (error) {
    throw new UsageError(`--environment ${path}: ${(error as Error).message}`);
  }
}

export async function projectList(cli: Cli): Promise<number> {
  const client = await cli.client();
  const projects: Project[] = [];
  for await (const project of client.projects.all()) projects.push(project);
  if (cli.screen.json) await cli.screen.document({ items: projects });
  else {
    const columns = [
      { title: 'PROJECT' },
      { title: 'NAME', shrinks: true },
      { title: 'REPOSITORY', shrinks: true },
      { title: 'BRANCH', shrinks: true },
      { title: 'CREATED' },
    ];
    const nowMs = cli.surroundings.nowMs();
    const row = ({ id, name, repository, createdAt }: Project) => [
      id,
      name,
      repository.url,
      repository.defaultBranch,
      formatAge(createdAt, nowMs),
    ];
    await cli.screen.table(columns, projects.map(row));
  }
  return exitCodes.ok;
}

export async function projectShow(cli: Cli, named: string | undefined): Promise<number> {
  const client = await cli.client();
  const project = await client.projects.get(await resolveProjectId(cli, client, named));
  if (cli.screen.json) await cli.screen.document(project);
  else {
    await cli.screen.fields([
      ['project', project.id],
      ['name', project.name],
      ['repository', project.repository.url],
      ['default branch', project.repository.defaultBranch],
      ['environment', JSON.stringify(project.environment)],
      ['credential', project.credential ? `${project.credential.kind}, set ${project.credential.setAt}` : null],
      ['approval', JSON.stringify(project.approval)],
      ['created', project.createdAt],
      ['updated', project.updatedAt],
    ]);
  }
  return exitCodes.ok;
}

export interface ProjectCredentialOptions {
  /** Read from stdin: an argument would be seen by every user of the machine. */
  token?: boolean;
  username?: string;
  /** Paths of files. */
  sshKey?: string;
  knownHosts?: string;
  remove?: boolean;
}

export async function projectCredential(cli: Cli, named: string | undefined, options: ProjectCredentialOptions) {
  const { token, username, sshKey, knownHosts, remove } = options;
  if ([token, sshKey, remove].filter(Boolean).length !== 1)
    throw new UsageError('one of --token, --ssh-key and --remove is needed');
  if (sshKey && !knownHosts) throw new UsageError('--ssh-key needs --known-hosts: the server would not be known');
  const client = await cli.client();
  const projectId = await resolveProjectId(cli, client, named);
  if (remove) await client.projects.deleteCredential(projectId);
  else await client.projects.setCredential(projectId, await read());
  return exitCodes.ok;

  async function read(): Promise<PutCredential> {
    const { cwd, stdin } = cli.surroundings;
    const text = async (path: string) =>
      readFile(resolve(cwd, path), 'utf8').catch((error: Error) => {
        throw new UsageError(error.message);
      });
    if (sshKey && knownHosts)
      return { kind: 'ssh_key', privateKey: await text(sshKey), knownHosts: await text(knownHosts) };
    const chunks = await Array.fromAsync(stdin as AsyncIterable<Buffer>);
    return { kind: 'token', token: Buffer.concat(chunks).toString('utf8').trim(), ...(username && { username }) };
  }
}
