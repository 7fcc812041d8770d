// What git says of a push that was refused, as `git push --porcelain` prints it: "!\t<from>:<ref>\t[remote rejected] (<why>)" for each ref.

export interface Refusal {
  /** `unfenced`: it is the fence that the remote does not take, or all at once. */
  state: 'refused' | 'unfenced';
  detail: string;
}

const detailLengthMax = 500;
/** Said of a ref that is not at fault itself; also of each where two pushes have met, and where the fence was there. */
const notItself = /\(atomic |\[rejected\]/;

/** Undefined: it is not known whether it was taken. */
export function readRefusal(said: string, target: string, fence: string | null): Refusal | undefined {
  if (fence !== null && /does not support --atomic/.test(said)) {
    return { state: 'unfenced', detail: 'the remote changes no two refs as one' };
  }
  const lines = said.match(/^!.*$/gm) ?? [];
  const of = (ref: string) => lines.find((line) => line.includes(`:${ref}\t`));
  const [onTarget, onFence] = [of(target), fence === null ? undefined : of(fence)];
  const line = onFence !== undefined && !notItself.test(onFence) ? onFence : (onTarget ?? onFence);
  if (line === undefined) return undefined;
  const remote = said.match(/^remote: .*$/gm)?.join(' ') ?? '';
  const detail = `${line.replaceAll(/[\t\s]+/g, ' ')} ${remote}`.trim().slice(0, detailLengthMax);
  return { state: line === onFence && !notItself.test(line) ? 'unfenced' : 'refused', detail };
}

/** The remote has a ref that was not to be there: told by what it says of its refs before anything is sent to it. */
export function isThere(said: string, ref: string): boolean {
  return (said.match(/^!.*$/gm) ?? []).some((line) => line.includes(`:${ref}\t[rejected] (stale info)`));
}
