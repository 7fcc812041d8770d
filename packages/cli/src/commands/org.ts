// worktrail org create: on the cluster's host only, with the operator's token.

import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@worktrail/client';
import { type Cli, userAgent } from '../cli.ts';
import { CliError, exitCodes } from '../exit-codes.ts';

export interface OrgCreateOptions {
  principal?: string;
}

export async function orgCreate(cli: Cli, name: string, options: OrgCreateOptions): Promise<number> {
  const { apiUrl, file, stateDirectory } = await cli.connection();
  const apiKey = await operatorToken(cli, file ? stateDirectory : null);
  const operator = createClient({ apiUrl, apiKey, userAgent });
  const principal = { name: options.principal ?? userInfo().username, kind: 'user' as const };
  const created = await operator.organizations.create({ name, principal });
  if (cli.screen.json) await cli.screen.document(created);
  else {
    await cli.screen.fields([
      ['organization', created.organization.id],
      ['name', created.organization.name],
      ['API key', created.key.secret],
    ]);
    cli.screen.note('The key is shown this once. Use it as WORKTRAIL_API_KEY.');
  }
  return exitCodes.ok;
}

/** The token of a state directory goes to that cluster only. */
async function operatorToken(cli: Cli, stateDirectory: string | null): Promise<string> {
  const given = cli.surroundings.env['WORKTRAIL_OPERATOR_TOKEN'];
  if (given) return given;
  const hint = 'Run this on the host of the cluster, or set WORKTRAIL_OPERATOR_TOKEN.';
  if (stateDirectory === null) throw new CliError("the operator's token is not known", exitCodes.auth, hint);
  const path = join(stateDirectory, 'secrets', 'operator-token');
  const token = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (token) return token;
  throw new CliError(`the operator's token cannot be read from ${path}`, exitCodes.auth, hint);
}
