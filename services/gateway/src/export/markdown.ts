// A history as a transcript for people, in Markdown.
//
// 1. Everything in it may come from a sandbox or a model: what was said is quoted line by line with its HTML disarmed, what was run and what it
//    printed stands in fences longer than any in it. Nothing of it can look like a heading of ours.
// 2. Of a long output its two ends are shown. What is held is an excerpt for each command that runs.

import { commandDuration, commandEnd } from './command-end.ts';
import { createExcerpt, type Excerpt, type ExportFormat } from './export-format.ts';
import type { EventType } from '@worktrail/contract/event-types';
import { type PublicEvent, publicEvent } from '@worktrail/contract/event-json';
import type { ExportedSession } from '@worktrail/contract/session-export';

const outputCharactersMax = 16_000;
const commandsMax = 200;
const filesShownMax = 100;
const detailCharactersMax = 300;

/** What is shown in other events, or is the same again. */
export const notTranscribed: readonly EventType[] = [
  'message.agent_delta',
  'reasoning.delta',
  'command.started',
  'session.busy',
  'usage',
];

interface OpenCommand {
  command: string;
  origin: string;
  output: Excerpt;
}

export function createMarkdown(session: ExportedSession): ExportFormat {
  const open = new Map<string, OpenCommand>();

  /** Of more than one has in mind, the oldest are forgotten: they are shown without what they were. */
  function opened(id: string): OpenCommand {
    const known = open.get(id) ?? { command: '', origin: '', output: createExcerpt(outputCharactersMax) };
    open.set(id, known);
    if (open.size > commandsMax) open.delete(open.keys().next().value!);
    return known;
  }

  function textOf(event: PublicEvent): string {
    const { type, data, commandId = '' } = event;
    const said = (name: string) => string(data[name]);
    switch (type) {
      case 'session.created':
        return '';
      case 'message.user':
        return section(event, 'User', quoted(said('text')));
      case 'message.agent':
        return said('text') === '' ? '' : section(event, 'Agent', quoted(said('text')), event.actor.id);
      case 'message.summary':
        return section(event, 'Summary of what was before', quoted(said('text')));
      case 'reasoning':
        return section(event, 'Reasoning', quoted(said('text')));
      case 'tool.started':
        return section(event, 'Tool', fenced(said('inputJson')), said('tool'));
      case 'tool.ended':
        return section(
          event,
          data['failed'] === true ? 'Tool failed' : 'Tool ended',
          fenced(cut(said('outputJson'), outputCharactersMax)),
        );
      case 'command.queued':
        Object.assign(opened(commandId), { command: said('command'), origin: said('origin') });
        return '';
      case 'command.ended': {
        const { command, origin, output } = opened(commandId);
        open.delete(commandId);
        const body = fenced(`$ ${command}\n${output.text()}`);
        return section(event, 'Command', `${body}\n${commandEnd(data)}${commandDuration(data)}.\n`, origin);
      }
      case 'files.changed':
        return filesText(event);
      default:
        return `- ${clock(event)} ${type} ${code(cut(JSON.stringify(data), detailCharactersMax))}\n`;
    }
  }

  return {
    begin: () =>
      [
        `# ${inline(session.title || session.id)}\n`,
        `Session ${session.id} of project ${session.projectId}, branch ${code(session.branch)}, created ${session.createdAt}.\n`,
        ...(session.taskId ? [`Task ${session.taskId}${session.trialId ? `, trial ${session.trialId}` : ''}.\n`] : []),
        '\n',
      ].join(''),
    event: ({ event, cursor }) => {
      if (event.payload.case !== 'commandOutput') return textOf(publicEvent(event, cursor));
      opened(event.commandId).output.add(event.payload.value.bytes);
      return '';
    },
    rest: () => {
      const running = [...open.values()].map(({ command }) => `\nStill running:\n\n${fenced(`$ ${command}`)}`);
      return `${running.join('')}\n`;
    },
    end: ({ events, cursor, sha256 }) =>
      `<!-- end: ${events} events up to ${cursor}; sha256 of all before this line: ${sha256} -->\n`,
  };
}

function filesText(event: PublicEvent): string {
  const files = (event.data['files'] as Record<string, unknown>[] | undefined) ?? [];
  const lines = files
    .slice(0, filesShownMax)
    .map(
      (file) => `- ${string(file['status'])} ${code(string(file['path']))} +${file['additions']} −${file['deletions']}`,
    );
  if (files.length > filesShownMax) lines.push(`- and ${files.length - filesShownMax} more`);
  return section(event, 'Files changed', `${lines.join('\n')}\n`, string(event.data['source']));
}

function section(event: PublicEvent, title: string, body: string, by = ''): string {
  return `\n## ${title}${by ? ` ${code(by)}` : ''}, ${clock(event)}\n\n${body}\n`;
}

function clock({ time }: PublicEvent): string {
  return time.replace('T', ' ').slice(0, 19);
}

/** Read as Markdown, but no HTML. */
function quoted(text: string): string {
  const lines = printable(text).replaceAll('<', '&lt;').split('\n');
  return `${lines.map((line) => `> ${line}`).join('\n')}\n`;
}

function fenced(text: string): string {
  const body = printable(text);
  const fence = '`'.repeat(Math.max(3, longestRun(body) + 1));
  return `${fence}text\n${body}${body.endsWith('\n') ? '' : '\n'}${fence}\n`;
}

/** On one line, as it is. */
function code(text: string): string {
  const body = inlineText(text);
  const ticks = '`'.repeat(longestRun(body) + 1);
  return `${ticks} ${body || ' '} ${ticks}`;
}

/** On one line, with nothing in it that Markdown knows. */
function inline(text: string): string {
  return inlineText(text).replace(/[\\`*_{}[\]()#+!<>|~&-]/g, String.raw`\$&`);
}

function inlineText(text: string): string {
  return printable(text).replace(/\s+/g, ' ').trim();
}

function longestRun(text: string): number {
  return Math.max(0, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
}

/** Line ends and tabs stay; every other control character, and what turns the direction of writing, is shown as one that does nothing. */
function printable(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu, (one) => (one === '\n' || one === '\t' ? one : '\uFFFD'));
}

function cut(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax)}[… ${text.length - charactersMax} more]`;
}

function string(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
