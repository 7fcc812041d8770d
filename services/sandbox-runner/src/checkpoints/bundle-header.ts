// The head of a git bundle: which refs it brings, and where its pack begins.

import { open } from 'node:fs/promises';

/** Of all refs of a session with their ids: some 400,000 checkpoints. */
export const refsBytesMax = 64 * 1024 ** 2;

export interface BundleHeader {
  refs: { name: string; id: string }[];
  packOffset: number;
}

export class BundleMalformed extends Error {
  override readonly name = 'BundleMalformed';
}

/** Only refs of checkpoints are taken. @throws BundleMalformed */
export function readBundleHeader(start: Buffer): BundleHeader {
  const end = start.indexOf('\n\n');
  if (end < 0 || start.toString('latin1', end + 2, end + 6) !== 'PACK')
    throw new BundleMalformed('no pack in the bundle');
  const [signature, ...lines] = start.toString('latin1', 0, end).split('\n');
  if (!/^# v[23] git bundle$/.test(signature ?? '')) throw new BundleMalformed('not a git bundle');
  const refs = lines
    .filter((line) => !line.startsWith('-') && !line.startsWith('@'))
    .map((line) => {
      const found = /^([0-9a-f]{40}|[0-9a-f]{64}) (refs\/worktrail\/(?:checkpoints|state)\/[1-9]\d{0,8})$/.exec(line);
      if (!found) throw new BundleMalformed('the bundle has a ref that is not a checkpoint');
      return { id: found[1]!, name: found[2]! };
    });
  if (refs.length === 0) throw new BundleMalformed('the bundle has no refs');
  return { refs, packOffset: end + 2 };
}

/** The head of a bundle whose pack leans on what is `known`. */
export function writeBundleHeader(of: { refs: BundleHeader['refs']; known: string[]; sha256: boolean }): string {
  const signature = of.sha256 ? '# v3 git bundle\n@object-format=sha256' : '# v2 git bundle';
  const lines = [signature, ...of.known.map((id) => `-${id} `), ...of.refs.map(({ name, id }) => `${id} ${name}`)];
  return `${lines.join('\n')}\n\n`;
}

/** @throws BundleMalformed */
export async function openBundleHeader(path: string): Promise<BundleHeader> {
  const file = await open(path);
  try {
    for (let bytes = 1024 ** 2; ; bytes *= 4) {
      const buffer = Buffer.alloc(bytes);
      const { bytesRead } = await file.read(buffer, 0, bytes, 0);
      const start = buffer.subarray(0, bytesRead);
      if (bytesRead < bytes || bytes >= refsBytesMax || start.includes('\n\nPACK')) return readBundleHeader(start);
    }
  } finally {
    await file.close();
  }
}
