// What of git's smart HTTP is the gateway's own: which version of the protocol is asked for, what stands before the refs, a zipped body.

import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { WorktrailError } from '@worktrail/contract/errors';

const unzip = promisify(gunzip);

export type GitProtocol = '0' | '1' | '2';

/** From the header `Git-Protocol`: "version=2", among other things that nobody here knows. */
export function gitProtocol(header: string | null): GitProtocol {
  const version = /(?:^|:)version=([12])(?:$|:)/.exec(header ?? '')?.[1];
  return version === '1' || version === '2' ? version : '0';
}

/** Up to version 1 the refs follow the name of the service. */
export function advertisementHead(protocol: GitProtocol): string {
  return protocol === '2' ? '' : `${packetLine('# service=git-upload-pack\n')}0000`;
}

function packetLine(text: string): string {
  return (text.length + 4).toString(16).padStart(4, '0') + text;
}

/** @throws malformed_request, body_too_large */
export async function plainBody(body: Uint8Array, encoding: string | null, bytesMax: number): Promise<Uint8Array> {
  if (encoding === null || encoding === 'identity') return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new WorktrailError('malformed_request', 'the body may be zipped by gzip, and by nothing else');
  }
  try {
    return await unzip(body, { maxOutputLength: bytesMax });
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    if (isTooLarge) throw new WorktrailError('body_too_large', `the body may have at most ${bytesMax} bytes unzipped`);
    throw new WorktrailError('malformed_request', 'the body is not what its encoding says', { cause: error });
  }
}
