// The files that the parts of a patch lead to, one part after the other: a later part is of what an earlier one has made of its file.
//
// All of them are held at once, and so bounded together.

import { EditRefused, type FilePatch } from './edit-text.ts';
import { requirePath } from './text-file.ts';

const heldLengthMax = 8 * 1024 * 1024;

export interface PatchedFile {
  path: string;
  /** null: it is deleted. */
  content: string | null;
  /** The blob that was there; '': nothing was. */
  before: string;
}

export interface PatchedFiles {
  /** @throws EditRefused */
  apply(part: FilePatch): Promise<void>;
  /** One for each path; what is deleted comes after what is written. */
  all(): PatchedFile[];
}

export function createPatchedFiles(
  read: (path: string) => Promise<{ text: string; blob: string } | undefined>,
): PatchedFiles {
  const files = new Map<string, PatchedFile>();
  let held = 0;

  function hold(text: string): string {
    held += text.length;
    if (held > heldLengthMax) throw new EditRefused('its files are too much together: change fewer at once');
    return text;
  }

  async function textAt(path: string): Promise<string> {
    let file = files.get(path);
    if (!file) {
      const there = await read(path);
      file = { path, content: there ? hold(there.text) : null, before: there?.blob ?? '' };
      files.set(path, file);
    }
    if (file.content === null) throw new EditRefused(`there is no ${path}`);
    return file.content;
  }

  return {
    async apply({ from, to, apply }) {
      const content = apply(from === null ? '' : await textAt(from));
      if (content === undefined)
        throw new EditRefused(`the part for ${from ?? to} does not fit the file: read it again`);
      if (to !== null) {
        requirePath(to);
        const there = files.get(to);
        if (to !== from && there && there.content !== null) throw new EditRefused(`there is a ${to} already`);
        files.set(to, { path: to, content: hold(content), before: there?.before ?? '' });
      }
      if (from !== null && to !== from) files.set(from, { ...files.get(from)!, content: null });
    },
    all: () =>
      [...files.values()]
        .filter(({ content, before }) => content !== null || before !== '')
        .toSorted((one, other) => Number(one.content === null) - Number(other.content === null)),
  };
}
