// A path as people and JSON can have it: what is not UTF-8, and control characters, as escapes. Not meant to be read back.

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function shownPath(bytes: Uint8Array): string {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    text = Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : escaped(byte))).join('');
  }
  return text.replaceAll(/[\x00-\x1f\x7f]/g, (character) => escaped(character.charCodeAt(0)));
}

function escaped(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
