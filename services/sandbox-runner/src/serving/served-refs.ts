// Which refs a project's repository shows over HTTP: upstream's branches and tags as mirrored, each session's branch, and its newest
// checkpoint, whose tree has the changes that are not committed.
//
//   refs/heads/worktrail/<slug>-<id>                 the session's branch, as its user left it
//   refs/worktrail/checkpoints/<session>/<number>    its newest checkpoint; a clone does not fetch it by itself

export interface Ref {
  name: string;
  id: string;
}

export interface ServedSession {
  sessionId: string;
  branch: string;
  /** null where there is no such branch any more. */
  tip: string | null;
  checkpoint: { number: number; commit: string } | null;
}

const sessionBranches = 'refs/heads/worktrail';

/** A session's branch hides one of upstream of the same name, which is an earlier state of it. */
export function servedRefs(upstream: readonly Ref[], sessions: readonly ServedSession[]): Ref[] {
  const refs = new Map<string, string>();
  // Beside branches below it, a branch of this name could not be fetched.
  for (const { name, id } of upstream) if (name !== sessionBranches) refs.set(name, id);
  for (const { sessionId, branch, tip, checkpoint } of sessions) {
    if (tip !== null) refs.set(`refs/heads/${branch}`, tip);
    if (checkpoint) refs.set(`refs/worktrail/checkpoints/${sessionId}/${checkpoint.number}`, checkpoint.commit);
  }
  return [...refs].map(([name, id]) => ({ name, id }));
}

/** As git's file of that name has them. */
export function packedRefs(refs: readonly Ref[]): string {
  const lines = refs.map(({ name, id }) => ({ name: Buffer.from(name), line: `${id} ${name}\n` }));
  const sorted = lines.toSorted((one, two) => Buffer.compare(one.name, two.name));
  return `# pack-refs with: sorted \n${sorted.map(({ line }) => line).join('')}`;
}

/** Lines "<id> <name>"; what else there is, is passed over. */
export function readRefs(text: string): Ref[] {
  return text.split('\n').flatMap((line) => {
    const found = /^([0-9a-f]{40}|[0-9a-f]{64}) (refs\/\S+)$/.exec(line);
    return found ? [{ id: found[1]!, name: found[2]! }] : [];
  });
}
