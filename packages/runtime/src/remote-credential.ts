// A project's credential for its remote: sealed by the gateway, opened by runners, and shown to one server only.
//
// 1. What is sealed names the server that it was given for; it is of no use for another, whatever address the project gets later.
// 2. Which kind a server takes follows from the address: a token over https, a key over ssh. Nothing else takes any.

import type { CredentialDocument } from '@worktrail/contract/documents';
import { credentialKey } from '@worktrail/contract/subjects';
import type { SecretBox } from './secret-box.ts';

export type RemoteCredential =
  | { kind: 'token'; server: string; username: string; token: string }
  | {
      kind: 'ssh_key';
      server: string;
      /** As in ssh's own files, each line ended. */
      privateKey: string;
      knownHosts: string;
    };

export interface CredentialTaker {
  kind: RemoteCredential['kind'];
  /** Scheme, host and port: "https://git.example.org", "ssh://git.example.org:22". */
  server: string;
}

/** What an address takes; undefined for one that takes no credential. */
export function credentialTaker(url: string): CredentialTaker | undefined {
  const scpLike = /^[\w.-]+@([A-Za-z0-9][\w.-]*):(?!\/\/)/.exec(url);
  if (scpLike) return { kind: 'ssh_key', server: `ssh://${scpLike[1]!.toLowerCase()}:22` };
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'https:') return { kind: 'token', server: parsed.origin };
  if (parsed?.protocol === 'ssh:') {
    return { kind: 'ssh_key', server: `ssh://${parsed.hostname.toLowerCase()}:${parsed.port || '22'}` };
  }
  return undefined;
}

export function sealCredential(
  box: SecretBox,
  projectId: string,
  credential: RemoteCredential,
  setAt: string,
): CredentialDocument {
  return { kind: credential.kind, sealed: box.seal(JSON.stringify(credential), credentialKey(projectId)), setAt };
}

/** @throws when it was sealed with another key or for another project. */
export function openCredential(box: SecretBox, projectId: string, { sealed }: CredentialDocument): RemoteCredential {
  return JSON.parse(box.open(sealed, credentialKey(projectId))) as RemoteCredential;
}
