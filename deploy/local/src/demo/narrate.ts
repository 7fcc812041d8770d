/**
 * Turns a session's events into lines for people. What commands print comes from a sandbox: control characters and escape
 * sequences are taken out before anything reaches the terminal.
 */
import type { WorktrailEvent } from '@worktrail/client';

export type NarratedEvent = Pick<WorktrailEvent, 'type' | 'commandId' | 'data'>;

/** Keeps the unfinished last line of each command's stream until its rest comes. */
export function createNarrator(): (event: NarratedEvent) => string[] {
  const unfinished = new Map<string, string>();
  let isReady = false;

  function outputLines({ commandId = '', data }: NarratedEvent): string[] {
    const key = `${commandId} ${asText(data.stream)}`;
    const text = asText(data.text) || Buffer.from(asText(data.bytes), 'base64').toString('utf8');
    const lines = ((unfinished.get(key) ?? '') + text).split('\n');
    unfinished.set(key, lines.pop()?.slice(-LINE_MAX) ?? '');
    return lines.map((line) => `  ${printable(line)}`);
  }

  function restOf(commandId = ''): string[] {
    const keys = [...unfinished.keys()].filter((key) => key.startsWith(`${commandId} `));
    const rest = keys.map((key) => unfinished.get(key) ?? '').filter((line) => line !== '');
    for (const key of keys) unfinished.delete(key);
    return rest.map((line) => `  ${printable(line)}`);
  }

  return (event) => {
    switch (event.type) {
      case 'session.created':
        return [`session on ${printable(asText(event.data.branch))}`];
      case 'session.ready':
        if (isReady) return [];
        isReady = true;
        return [`ready at ${asText(event.data.baseCommit).slice(0, 10)}`];
      case 'session.failed':
        return [`failed: ${printable(asText(event.data.detail ?? event.data.code))}`];
      case 'command.queued':
        return event.data.origin === 'setup' ? [] : [`$ ${headline(asText(event.data.command))}`];
      case 'command.output':
        return outputLines(event);
      case 'command.ended':
        return [...restOf(event.commandId), endLine(event.data)];
      case 'gap':
        return ['(output that could not be kept)'];
      default:
        return [];
    }
  };
}

const LINE_MAX = 4_096;

function endLine({ outcome, exitCode, signal }: Record<string, unknown>): string {
  if (outcome === 'exited') return exitCode === 0 ? '  ✓' : `  ✗ exit code ${asText(exitCode)}`;
  return `  ✗ ${asText(outcome)}${signal ? ` (${asText(signal)})` : ''}`;
}

/** Of a string or number itself, of anything else nothing. */
function asText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** The first line of a command; an ellipsis tells that there is more. */
function headline(command: string): string {
  const [first = '', ...rest] = command.split('\n');
  return printable(rest.length > 0 ? `${first} …` : first);
}

/** Without escape sequences and control characters; a tab becomes two spaces. */
export function printable(text: string): string {
  return text
    .replaceAll('\t', '  ')
    .replace(ESCAPE_SEQUENCES, '')
    .replace(/\p{Cc}|\p{Cf}/gu, '');
}

const ESCAPE = '\\u001b';
/** CSI, OSC and the shorter ones, complete or not. */
const ESCAPE_SEQUENCES = new RegExp(
  `${ESCAPE}(?:\\[[0-?]*[ -/]*[@-~]|\\][^\\u0007${ESCAPE}]*(?:\\u0007|${ESCAPE}\\\\)?|[ -/]+.|.)`,
  'g',
);
