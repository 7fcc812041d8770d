// Secrets at rest: AES-256-GCM with a key from a file. What is sealed for one place opens only there.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';

export interface SecretBox {
  /** `context` names the place (the document's key) and is authenticated with the text. */
  seal(text: string, context: string): string;
  /** @throws when the text was sealed with another key or for another place, or was changed. */
  open(sealed: string, context: string): string;
}

/** The key file holds 32 bytes as 64 hex digits. */
export async function openSecretBox(keyFile: string): Promise<SecretBox> {
  const hex = (await readFile(keyFile, 'utf8')).trim();
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new Error(`${keyFile} does not hold a key: 64 hex digits are expected`);
  return createSecretBox(Buffer.from(hex, 'hex'));
}

export function createSecretBox(key: Buffer): SecretBox {
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
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(-16));
      return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8');
    },
  };
}
