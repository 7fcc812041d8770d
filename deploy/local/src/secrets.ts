/**
 * What only this cluster knows, made on its first start and kept with mode 0600: its id, the passwords between its processes, the
 * operator's token, the key that encrypts stored secrets, and the namespace of its workflows.
 */
import { randomBytes } from 'node:crypto';
import { chmod, link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ClusterSecrets {
  clusterId: string;
  /** Of its workflows: the cluster's id, or that of the one it was restored from. */
  temporalNamespace: string;
  natsPassword: string;
  internalToken: string;
  operatorToken: string;
  secretsKeyFile: string;
}

/** The key file holds it as hexadecimal digits. */
const SECRETS_KEY_BYTES = 32;

export async function openSecrets(directory: string): Promise<ClusterSecrets> {
  const secretsKeyFile = join(directory, 'secrets-key');
  await readOrMake(secretsKeyFile, () => `${randomBytes(SECRETS_KEY_BYTES).toString('hex')}\n`);
  const token = async (name: string, make: () => string) =>
    (await readOrMake(join(directory, name), () => `${make()}\n`)).toString('utf8').trim();
  const clusterId = await token('cluster-id', () => `c${randomBytes(8).toString('hex')}`);
  return {
    clusterId,
    temporalNamespace: await token('temporal-namespace', () => clusterId),
    natsPassword: await token('nats-password', randomToken),
    internalToken: await token('internal-token', randomToken),
    operatorToken: await token('operator-token', randomToken),
    secretsKeyFile,
  };
}

function randomToken(): string {
  return randomBytes(32).toString('base64url');
}

/** Appears complete or not at all, and is never replaced: two that make it at once agree on the first. */
async function readOrMake(path: string, make: () => string): Promise<Buffer> {
  const existing = await readFile(path).catch(() => null);
  if (existing !== null && existing.length > 0) {
    await chmod(path, 0o600);
    return existing;
  }
  const scratch = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  await writeFile(scratch, make(), { mode: 0o600, flag: 'wx', flush: true });
  try {
    if (existing !== null) await rm(path);
    await link(scratch, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(scratch, { force: true });
  }
  return await readFile(path);
}
