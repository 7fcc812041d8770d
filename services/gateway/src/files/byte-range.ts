// One range of bytes, as HTTP asks for it (RFC 9110). Several at once, other units and what cannot be read are as if nothing was asked.

export interface ByteRange {
  /** Negative: so many from the end. */
  offset: number;
  /** null: to the end. */
  length: number | null;
}

export function readByteRange(header: string | null): ByteRange | undefined {
  const found = /^bytes=(\d{0,20})-(\d{0,20})$/.exec(header?.replaceAll(/[ \t]/g, '') ?? '');
  if (!found) return undefined;
  const [first, last] = [found[1]!, found[2]!];
  if (first === '' && last === '') return undefined;
  // None of no bytes can be given.
  if (first === '') return { offset: Number(last) === 0 ? Number.MAX_SAFE_INTEGER : -safe(last), length: null };
  if (last === '') return { offset: safe(first), length: null };
  return safe(last) < safe(first) ? undefined : { offset: safe(first), length: safe(last) - safe(first) + 1 };
}

function safe(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);
}

/** Whether `If-None-Match` names the content. */
export function isNamed(header: string | null, etag: string | null): boolean {
  if (header === null || etag === null) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
}
