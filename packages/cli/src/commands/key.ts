// worktrail key create | list | delete: who may use the API, and what each key is good for.

import type { ApiKey, Principal, WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes, UsageError } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';

const scopes = ['read', 'run', 'approve', 'admin'] as const;

export interface KeyCreateOptions {
  scopes: string[];
  service?: boolean;
}

/** `named`: a principal by id or name; where there is none of that name it is made. */
export async function keyCreate(cli: Cli, named: string, options: KeyCreateOptions): Promise<number> {
  const wanted = options.scopes.map((scope) => {
    const known = scopes.find((one) => one === scope);
    if (!known) throw new UsageError(`--scopes: ${scope} is none of ${scopes.join(', ')}`);
    return known;
  });
  const client = await cli.client();
  const kind = options.service ? 'service' : 'user';
  const principal = (await principalOf(client, named)) ?? (await client.principals.create({ name: named, kind }));
  const key = await client.keys.create({ principalId: principal.id, scopes: wanted });
  if (cli.screen.json) await cli.screen.document({ ...key, principal });
  else {
    await cli.screen.fields([
      ['principal', `${principal.id}  ${principal.name}`],
      ['key', key.id],
      ['scopes', key.scopes.join(', ')],
      ['API key', key.secret],
    ]);
    cli.screen.note('The key is shown this once. Use it as WORKTRAIL_API_KEY, with WORKTRAIL_API_URL.');
  }
  return exitCodes.ok;
}

async function principalOf({ principals }: WorktrailClient, named: string): Promise<Principal | undefined> {
  const found: Principal[] = [];
  for await (const one of principals.all()) if (one.id === named || one.name === named) found.push(one);
  if (found.length > 1) throw new UsageError(`${found.map(({ id }) => id).join(' and ')} are both called ${named}`);
  if (found.length === 0 && named.startsWith('prn_')) throw new UsageError(`there is no principal ${named}`);
  return found[0];
}

export async function keyList(cli: Cli): Promise<number> {
  const client = await cli.client();
  const keys: ApiKey[] = await Array.fromAsync(client.keys.all());
  if (cli.screen.json) {
    await cli.screen.document({ items: keys });
    return exitCodes.ok;
  }
  const names = new Map<string, string>();
  for await (const { id, name } of client.principals.all()) names.set(id, name);
  const columns = [
    { title: 'KEY' },
    { title: 'PRINCIPAL' },
    { title: 'NAME', shrinks: true },
    { title: 'SCOPES' },
    { title: 'CREATED' },
    { title: 'EXPIRES' },
  ];
  const nowMs = cli.surroundings.nowMs();
  const row = ({ id, principalId, scopes: of, createdAt, expiresAt }: ApiKey) => [
    ...[id, principalId, names.get(principalId) ?? '', of.join(',')],
    ...[formatAge(createdAt, nowMs), expiresAt ?? ''],
  ];
  await cli.screen.table(columns, keys.map(row));
  return exitCodes.ok;
}

export async function keyDelete(cli: Cli, keyId: string): Promise<number> {
  await (await cli.client()).keys.delete(keyId);
  await (cli.screen.json ? cli.screen.document({ id: keyId, state: 'deleted' }) : cli.screen.line(`${keyId}  deleted`));
  return exitCodes.ok;
}
