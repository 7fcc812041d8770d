// Secrets at rest: AES-256-GCM with a key from a file or from the environment. What is sealed for one place opens only there.
//
// A key is changed by putting a new one before it: what is sealed from then on needs the new one, and what was sealed before opens with
// the old one for as long as that stands there.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';

export interface SecretBox {
  /** `context` names the place (the document's key) and is authenticated with the text. */
  seal(text: string, context: string): string;
  /** @throws when the text was sealed with another key or for another place, or was changed. */
  open(sealed: string, context: string): string;
}

export interface SecretsKey {
  /** Where the keys are, unless they are given. */
  file: string | undefined;
  given: string | undefined;
}

/** 32 bytes as 64 hex digits; older keys after it, a line or a space between them. */
export async function openSecretBox({ file, given }: SecretsKey): Promise<SecretBox> {
  if (given === undefined && file === undefined)
    throw new Error('WORKTRAIL_SECRETS_KEY_FILE or WORKTRAIL_SECRETS_KEY has to be set');
  const text = given ?? (await readFile(file!, 'utf8'));
  const keys = text.trim().split(/\s+/);
  if (!keys.every((hex) => /^[0-9a-f]{64}$/.test(hex))) {
    const where = given === undefined ? file : 'WORKTRAIL_SECRETS_KEY';
    throw new Error(`${where} does not hold a key: 64 hex digits are expected, and after them older keys`);
  }
  const [key, ...older] = keys.map((hex) => Buffer.from(hex, 'hex'));
  return createSecretBox(key!, older);
}

/** `older` keys only open. */
export function createSecretBox(key: Buffer, older: readonly Buffer[] = []): SecretBox {
  return {
    seal(text, context) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
      return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
        'base64',
      );
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed, 'base64');
      if (bytes.length < 28) throw new Error(`the sealed text of ${context} is too short`);
      for (const one of [key, ...older]) {
        const decipher = createDecipheriv('aes-256-gcm', one, bytes.subarray(0, 12)).setAAD(Buffer.from(context));
        decipher.setAuthTag(bytes.subarray(-16));
        const start = decipher.update(bytes.subarray(12, -16));
        try {
          return Buffer.concat([start, decipher.final()]).toString('utf8');
        } catch {
          // Sealed with another one, for another place, or changed.
        }
      }
      throw new Error(`what is sealed of ${context} does not open with this key`);
    },
  };
}
