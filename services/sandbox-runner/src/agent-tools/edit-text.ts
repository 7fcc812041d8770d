// The texts that a change of files by the agent leads to, from those that were there. What is asked for is bounded: in what comes of it, and in
// what it takes to find out.

import { applyPatch, parsePatch } from 'diff';

/** Of a text that these tools read, and of one that they lead to. */
export const textBytesMax = 1024 * 1024;
/** Each part of a patch is looked for in the whole file. */
const linesLookedAtMax = 20_000_000;

/** What the agent has to hear: it can do better with it. */
export class EditRefused extends Error {}

/** @throws EditRefused */
export function replaced(
  text: string,
  { find, replace, all }: { find: string; replace: string; all: boolean },
): string {
  if (find === '') throw new EditRefused('"find" is empty');
  if (find === replace) throw new EditRefused('"find" and "replace" are the same');
  const parts = text.split(find);
  const times = parts.length - 1;
  if (times === 0) throw new EditRefused('"find" does not stand in the file; read it again, whitespace counts');
  if (times > 1 && !all) {
    throw new EditRefused(`"find" stands ${times} times in the file: give more of what is around it, or set "all"`);
  }
  if (text.length + times * (replace.length - find.length) > textBytesMax)
    throw new EditRefused(`the file would be over ${textBytesMax} bytes: use a command`);
  return parts.join(replace);
}

export interface FilePatch {
  /** null: the file is new. */
  from: string | null;
  /** null: it is deleted. */
  to: string | null;
  /** undefined where it does not fit. @throws EditRefused where that would take too long to find out */
  apply(text: string): string | undefined;
}

/** @throws EditRefused for what is no unified diff. */
export function readPatch(patch: string): FilePatch[] {
  let parsed: ReturnType<typeof parsePatch>;
  try {
    parsed = parsePatch(patch);
  } catch (error) {
    throw new EditRefused(`it is no unified diff: ${(error as Error).message}`);
  }
  const files = parsed.map((one): FilePatch => {
    const [from, to] = [nameOf(one.oldFileName), nameOf(one.newFileName)];
    if (from === null && to === null) throw new EditRefused('a file of it has no name');
    return {
      ...{ from, to },
      apply: (text) => {
        if (one.hunks.length * text.split('\n').length > linesLookedAtMax)
          throw new EditRefused(
            `a patch of ${one.hunks.length} parts is too much for a file of that size: make it of fewer`,
          );
        const made = applyPatch(text, one);
        return made === false ? undefined : made;
      },
    };
  });
  if (files.length === 0) throw new EditRefused('there is nothing in it');
  return files;
}

function nameOf(name: string | undefined): string | null {
  if (name === undefined || name === '/dev/null') return null;
  return name.replace(/^[ab]\//, '');
}
