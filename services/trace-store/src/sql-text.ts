// Values inside SQL text, for the statements where parameters cannot stand.

/** A string literal. */
export function quoteString(text: string): string {
  return `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`;
}

/** A time as DateTime64(3) in UTC reads it: `2026-01-02 03:04:05.678`. */
export function dateTimeText(date: Date): string {
  return date.toISOString().replace('T', ' ').replace('Z', '');
}
