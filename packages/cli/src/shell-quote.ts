// Words as one line for a POSIX shell, so that it reads the very words back.

// Means something else in first place when it is not quoted.
const reserved = new Set(
  'if then else elif fi do done case esac while until for in function select time coproc'.split(' '),
);
const plain = /^[A-Za-z0-9_@%+=:,./-]+$/;

export function quoteWord(word: string): string {
  return plain.test(word) ? word : inQuotes(word);
}

/** One word is a command line already; several are quoted and joined. */
export function commandLine(words: readonly string[]): string {
  if (words.length === 1) return words[0]!;
  const [first = '', ...rest] = words;
  const program = first.includes('=') || reserved.has(first) ? inQuotes(first) : quoteWord(first);
  return [program, ...rest.map(quoteWord)].join(' ');
}

function inQuotes(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
