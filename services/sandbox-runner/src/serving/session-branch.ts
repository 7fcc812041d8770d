// Where the branch of a session is, as its newest checkpoint tells it, also where git could not read the user's HEAD. What a sandbox wrote
// there is read as data: one name, one id.

import { checkObjects, type Manifest, type SessionStore } from '../checkpoints/session-store.ts';
import { GitFailed, TooMuchOutput } from '../checkpoints/store-git.ts';

const packedRefsBytesMax = 4 * 1024 ** 2;
const idPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Of the first of the branches that leads to a commit; null where the user removed them, or what they name is not there. A fork that was
 * never opened is at a checkpoint of an ancestor's, whose branch becomes its own (restore.sh).
 */
export async function findBranchTip(
  store: SessionStore,
  manifest: Manifest,
  branches: readonly string[],
  signal: AbortSignal,
): Promise<string | null> {
  for (const branch of branches) {
    const tip = await findTip(store, manifest, branch, signal);
    if (tip !== null) return tip;
  }
  return null;
}

async function findTip(
  store: SessionStore,
  manifest: Manifest,
  branch: string,
  signal: AbortSignal,
): Promise<string | null> {
  const ref = `refs/heads/${branch}`;
  const ofHead = manifest.headRef === ref ? manifest.headCommit : null;
  const named = ofHead ?? (await readRef(store, manifest.carrier, ref, signal));
  if (named === null) return null;
  const [found] = await checkObjects(store.git, [`${named}^{commit}`], signal);
  return found?.type === 'commit' ? found.id : null;
}

/** From the repository's directory that the carrier has: a file of its own, else a line of the packed ones. */
async function readRef(store: SessionStore, carrier: string, ref: string, signal: AbortSignal): Promise<string | null> {
  const read = async (path: string) => {
    const name = `${carrier}:dotgit/${path}`;
    try {
      return (await store.git(['cat-file', 'blob', name], { signal, stdoutBytesMax: packedRefsBytesMax })).toString();
    } catch (error) {
      if (error instanceof GitFailed || error instanceof TooMuchOutput) return '';
      throw error;
    }
  };
  const own = (await read(ref)).trim();
  if (idPattern.test(own)) return own;
  const line = (await read('packed-refs')).split('\n').find((one) => one.endsWith(` ${ref}`));
  const packed = line?.split(' ')[0] ?? '';
  return idPattern.test(packed) ? packed : null;
}
