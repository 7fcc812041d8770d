// What a session is called that is named after a message.

const lengthMax = 80;

/** Its first line that says something, without control characters, cut. */
export function titleOf(message: string): string {
  const [line = ''] = message
    .split(/[\n\r]+/)
    .map((one) => one.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').trim())
    .filter(Boolean);
  const letters = Array.from(line);
  return letters.length > lengthMax ? `${letters.slice(0, lengthMax - 1).join('')}…` : line || 'chat';
}
