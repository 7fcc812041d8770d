// One event as one line for people. Everything in it may come from a sandbox, so all of it is made visible first.

import type { WorktrailEvent } from '@worktrail/client';
import type { Style } from '../screen/style.ts';
import { formatBytes, formatDuration } from '../screen/quantities.ts';
import { cutTo, visible } from '../screen/visible-text.ts';

const summaryColumnsMax = 200;

/** "19:20:07.123  command.ended  exited 0 after 1.2 s". */
export function eventLine(event: WorktrailEvent, style: Style): string {
  const time = style.dim(event.time.slice(11, 23));
  const summary = cutTo(visible(eventSummary(event)), summaryColumnsMax);
  return `${time}  ${paintType(event, style)}${summary ? `  ${summary}` : ''}`;
}

function paintType(event: WorktrailEvent, style: Style): string {
  const type = visible(event.type);
  if (type === 'gap' || type === 'limit.reached' || type.endsWith('.failed')) return style.red(type);
  return type.startsWith('command.') ? style.cyan(type) : style.bold(type);
}

export function eventSummary({ type, data, commandId }: WorktrailEvent): string {
  const text = (name: string) => (typeof data[name] === 'string' ? data[name] : '');
  switch (type) {
    case 'session.created':
      return joined(text('title'), text('branch'));
    case 'session.ready':
      return joined(text('branch'), text('headCommit').slice(0, 12));
    case 'session.failed':
      return `${text('code')}: ${text('detail')}`;
    case 'session.placed':
      return joined(text('runnerId'), `generation ${data['generation']}`);
    case 'command.queued':
      return joined(`$ ${text('command')}`, text('origin') === 'user' ? '' : `(${text('origin')})`, commandId ?? '');
    case 'command.started':
      return commandId ?? '';
    case 'command.output':
      return outputSummary(data);
    case 'command.ended':
      return endSummary(data);
    case 'limit.reached':
      return `${text('limit')}: ${text('detail')}`;
    case 'gap':
      return gapSummary(data);
    default:
      return Object.keys(data).length > 0 ? JSON.stringify(data) : '';
  }
}

function outputSummary(data: Record<string, unknown>): string {
  const size = Buffer.from(String(data['bytes'] ?? ''), 'base64').length;
  return `${data['stream']} ${formatBytes(size)}${typeof data['text'] === 'string' ? `  ${data['text'].trim()}` : ''}`;
}

function endSummary(data: Record<string, unknown>): string {
  const { outcome, exitCode, signal, reason, startedAt, endedAt } = data;
  const end = [outcome, outcome === 'exited' ? exitCode : '', signal].filter((part) => part !== '' && part != null);
  const ran = startedAt && endedAt ? Date.parse(String(endedAt)) - Date.parse(String(startedAt)) : Number.NaN;
  return joined(
    end.join(' '),
    Number.isFinite(ran) ? `after ${formatDuration(Math.max(0, ran))}` : '',
    reason ? `(${reason})` : '',
  );
}

function gapSummary(data: Record<string, unknown>): string {
  const { producer, fromPosition, toPosition, fromNumber, toNumber, reason } = data;
  const range = toPosition ? `bytes ${fromPosition} to ${toPosition}` : `events ${fromNumber} to ${toNumber}`;
  return `${range} of ${producer} were not kept: ${reason}`;
}

function joined(...parts: string[]): string {
  return parts.filter(Boolean).join('  ');
}
