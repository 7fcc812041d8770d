// Which paths a search is for: those below a directory, or that match a pattern with `*` (within a part of the path), `**` (any parts) and `?`.
//
// Whatever the pattern is, a path takes a time that its length and the pattern's ask for.

/** @param pattern "services/gateway", "src/**\/*.test.ts", "*.md" (in any directory) */
export function pathMatcher(pattern: string): (path: string) => boolean {
  const plain = pattern.replace(/^\.?\/+/, '').replace(/\/+$/, '');
  if (plain === '') return () => true;
  if (!/[*?]/.test(plain)) return (path) => path === plain || path.startsWith(`${plain}/`);
  const tokens = tokensOf(plain.includes('/') ? plain : `**/${plain}`);
  return (path) => matches(tokens, path);
}

/** A unit of text, or how much else is taken: one unit, any within a part, any at all. */
type Token = { unit: number } | 'one' | 'within' | 'any';

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    if (pattern.startsWith('**/', at) && (at === 0 || pattern[at - 1] === '/')) {
      // None, or all up to a slash.
      tokens.push('any');
      at += 2;
    } else if (pattern.startsWith('**', at)) {
      tokens.push('any');
      at += 1;
    } else if (pattern[at] === '*') tokens.push('within');
    else tokens.push(pattern[at] === '?' ? 'one' : { unit: pattern.charCodeAt(at) });
  }
  return tokens;
}

/** All places of the pattern that what was read so far can have led to, at once. */
function matches(tokens: readonly Token[], path: string): boolean {
  let here = new Uint8Array(tokens.length + 1);
  const reach = (set: Uint8Array, at: number) => {
    for (let place = at; !set[place]; place++) {
      set[place] = 1;
      const token = tokens[place];
      if (token !== 'any' && token !== 'within') break;
    }
  };
  reach(here, 0);
  for (let index = 0; index < path.length; index++) {
    const unit = path.charCodeAt(index);
    const next = new Uint8Array(tokens.length + 1);
    for (const [place, token] of tokens.entries()) {
      if (!here[place]) continue;
      if (token === 'any') reach(next, place);
      else if (token === 'within' && unit !== 47) reach(next, place);
      else if (token === 'one' && unit !== 47) reach(next, place + 1);
      else if (typeof token === 'object' && token.unit === unit) reach(next, place + 1);
    }
    here = next;
  }
  return here[tokens.length] === 1;
}
