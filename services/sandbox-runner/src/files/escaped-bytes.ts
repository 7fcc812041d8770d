// Any bytes as text that a script's printf %b turns back.

export function escapedBytes(bytes: Buffer): string {
  return Array.from(bytes, (byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join('');
}
