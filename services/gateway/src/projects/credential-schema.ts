// The JSON of a project's credential for its remote. What is malformed is refused by its field; no message holds any of it.

import { z } from '@hono/zod-openapi';
import { text } from '../text.ts';

const tokenBytesMax = 8_192;
const keyBytesMax = 16_384;
const knownHostsBytesMax = 65_536;

/** Goes to git as one line. */
const oneLine = /^[\x20-\x7e]+$/;

const privateKey = text(keyBytesMax)
  .transform(withEndedLines)
  .refine(isPrivateKey, 'must be a private key as ssh-keygen writes it')
  .refine((value) => !isProtected(value), 'is protected by a passphrase, which nobody could enter');

const knownHosts = text(knownHostsBytesMax)
  .transform(withEndedLines)
  .refine(isKnownHosts, 'must be lines of an ssh known_hosts file: host, kind of key, key');

export const putCredentialSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('token'),
      token: z.string().max(tokenBytesMax).regex(oneLine, 'must be one line of ASCII'),
      // Servers that go by the token alone take any.
      username: z.string().max(255).regex(oneLine, 'must be one line of ASCII').default('x-access-token'),
    }),
    z.strictObject({ kind: z.literal('ssh_key'), privateKey, knownHosts }),
  ])
  .openapi('PutCredential');

function withEndedLines(value: string): string {
  return `${value.replaceAll('\r\n', '\n').trim()}\n`;
}

function isPrivateKey(value: string): boolean {
  return /^-----BEGIN ([A-Z]+ )?PRIVATE KEY-----\n[^]+\n-----END ([A-Z]+ )?PRIVATE KEY-----\n$/.test(value);
}

/** By a header, or by the name of the cipher that stands at the beginning of ssh's own format. */
function isProtected(value: string): boolean {
  if (/ENCRYPTED/.test(value)) return true;
  const body = Buffer.from(value.replaceAll(/^-----.*$/gm, ''), 'base64');
  const magic = Buffer.from('openssh-key-v1\0');
  if (!body.subarray(0, magic.length).equals(magic) || body.length < magic.length + 8) return false;
  const length = body.readUInt32BE(magic.length);
  return body.subarray(magic.length + 4, magic.length + 4 + length).toString('latin1') !== 'none';
}

function isKnownHosts(value: string): boolean {
  const lines = value.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return lines.length > 0 && lines.every((line) => /^(@[a-z-]+\s+)?\S+\s+\S+\s+[A-Za-z0-9+/]+=*(\s|$)/.test(line));
}
