// Messages of the commits that a proposal makes: subject, description, and trailers that only Worktrail writes.
//
// 1. The trailers are the message's last paragraph. No text of a user's is in it, or can pass for it: a line that reads like a trailer
//    of ours, or that programs take for the end of a message, is set in by "> ".
// 2. The subject is one line that is not empty.

import type { Person } from '@worktrail/contract/proposal-messages';

export interface MessageParts {
  title: string;
  description: string;
  sessionId: string;
  proposalId: string;
  approvedBy: readonly Person[];
}

const subjectLengthMax = 200;
const nameLengthMax = 200;
const ours = /^\s*(?:worktrail-[\w-]*|approved-by)\s*[:=#]/i;
/** As patches, and editors with a verbose message, divide a message from what follows. */
const divider = /^\s*(?:---|diff -|index:|[#;]\s*-+\s*>8)/i;

export function mergeMessage({ title, description, sessionId, proposalId, approvedBy }: MessageParts): string {
  const body = description
    .split(/\r\n|[\n\r\u0085\u2028\u2029]/)
    .map((line) => withoutControls(line).trimEnd())
    .map((line) => (ours.test(line) || divider.test(line) ? `> ${line}` : line))
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .replaceAll(/^\n+|\n+$/g, '');
  const trailers = [
    `Worktrail-Session: ${sessionId}`,
    `Worktrail-Proposal: ${proposalId}`,
    ...approvedBy.map(
      (person) => `Approved-by: ${oneLine(person.name, nameLengthMax) || person.id} <${mailOf(person)}>`,
    ),
  ];
  const subject = oneLine(title, subjectLengthMax) || 'Changes of a session';
  return [subject, ...(body === '' ? [] : [body]), trailers.join('\n')].join('\n\n');
}

/** The same, in two: what a pull request is called, and what it says. */
export function pullRequestText(parts: MessageParts): { title: string; body: string } {
  const message = mergeMessage(parts);
  const end = message.indexOf('\n');
  return { title: message.slice(0, end), body: message.slice(end).trim() };
}

/** As git takes it for a name: what it would strip away is not all of it. */
export function identName({ name, id }: Person): string {
  const shown = oneLine(name, nameLengthMax);
  return /[^\s.,:;<>"\\']/.test(shown) ? shown : id;
}

/** An address that nobody has. */
export function mailOf({ id }: Person): string {
  return `${id.replaceAll(/[^\w.-]/g, '_')}@worktrail.invalid`;
}

function oneLine(text: string, lengthMax: number): string {
  return withoutControls(text.replaceAll(/[\s\u0085\u2028\u2029]+/g, ' '))
    .replaceAll(/[<>]/g, '')
    .trim()
    .slice(0, lengthMax)
    .toWellFormed();
}

function withoutControls(line: string): string {
  return line.replaceAll(/[\x00-\x08\x0b-\x1f\x7f]/g, '').toWellFormed();
}
