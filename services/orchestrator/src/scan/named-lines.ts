// Lines of files as programs name them: "src/a.ts:12:3", "File \"a.py\", line 3".

import type { LocateInput } from '@worktrail/contract/scan-messages';
import { suggestionLimits } from '@worktrail/contract/suggestions';

const patterns = [
  /(?<![\w./-])(?:\.\/)?((?:[\w@.+-]{1,80}\/){0,12}[\w@.+-]{1,80}\.[A-Za-z]\w{0,7})[:(](\d{1,6})/g,
  /File "(?:\.\/)?([^"\n]{1,300})", line (\d{1,6})/g,
];

/** As they come, each once. */
export function namedLines(text: string): LocateInput['claims'] {
  const found = new Map<string, LocateInput['claims'][number]>();
  for (const pattern of patterns) {
    for (const [, path = '', line = ''] of text.matchAll(pattern)) {
      const number = Number(line);
      if (number > 0) found.set(`${path}:${number}`, { path, firstLine: number, lastLine: number });
    }
  }
  return [...found.values()].slice(0, suggestionLimits.evidenceMax);
}
