// Reads a project's secrets where the gateway keeps them sealed.

import type { KV } from '@nats-io/kv';
import type { SecretDocument } from '@worktrail/contract/documents';
import { secretKey } from '@worktrail/contract/subjects';
import { readDocument } from '@worktrail/runtime/buckets';
import type { SecretBox } from '@worktrail/runtime/secret-box';
import { type ReadSecret, SecretUnusable } from './command-environment.ts';

export function createSecretReader(deps: { configuration: KV; secretBox: SecretBox }): ReadSecret {
  return async (projectId, name) => {
    const key = secretKey(projectId, name);
    const stored = await readDocument<SecretDocument>(deps.configuration, key);
    if (!stored) return undefined;
    try {
      return deps.secretBox.open(stored.value.sealed, key);
    } catch (error) {
      throw new SecretUnusable(`the secret "${name}" cannot be opened with the key of this runner`, { cause: error });
    }
  };
}
