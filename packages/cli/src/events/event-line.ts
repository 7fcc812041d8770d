// One event as one line for people. Everything in it may come from a sandbox, so all of it is made visible first.

import type { WorktrailEvent } from '@worktrail/client';
import type { Style } from '../screen/style.ts';
import { formatBytes, formatCost, formatDuration } from '../screen/quantities.ts';
import { cutTo, visible } from '../screen/visible-text.ts';
import { toolLine } from '../turn/tool-line.ts';

const summaryColumnsMax = 200;
const filesShownMax = 5;

/** How far an item of an agent's plan is. */
export const planMarks: Readonly<Record<string, string>> = { open: '○', active: '◐', done: '●' };

/** "19:20:07.123  command.ended  exited 0 after 1.2 s". */
export function eventLine(event: WorktrailEvent, style: Style): string {
  const time = style.dim(event.time.slice(11, 23));
  const summary = cutTo(visible(eventSummary(event)), summaryColumnsMax);
  return `${time}  ${paintType(event, style)}${summary ? `  ${summary}` : ''}`;
}

function paintType(event: WorktrailEvent, style: Style): string {
  const type = visible(event.type);
  if (type === 'gap' || type === 'limit.reached' || /\.(?:failed|refused)$/.test(type)) return style.red(type);
  return /^(?:command|tool)\./.test(type) ? style.cyan(type) : style.bold(type);
}

export function eventSummary({ type, data, commandId, turnId }: WorktrailEvent): string {
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
    case 'session.hibernating':
    case 'session.resuming':
      return text('reason');
    case 'session.hibernated':
      return joined(text('reason'), text('keptIn') && `kept in its ${text('keptIn')}`);
    case 'session.resumed':
      return joined(text('restoredFrom') && `from its ${text('restoredFrom')}`, text('runnerId'));
    case 'session.restored':
      return restoredSummary(data);
    case 'session.reverted':
      return revertedSummary(data);
    case 'session.branch_left':
      return `HEAD is ${leftFor(text('actualRef'))}, no longer on ${text('expectedBranch')}`;
    case 'session.forked':
      return joined(`from ${text('fromSessionId')} at ${text('fromCheckpointId')}`, list(data['sessionIds']).join(' '));
    case 'session.updated':
      return joined(
        `${text('method')} ${text('commit').slice(0, 12)}`,
        text('outcome'),
        list(data['conflicts']).join(', '),
      );
    case 'checkpoint.created':
      return checkpointSummary(data);
    case 'files.changed':
      return filesSummary(data);
    case 'command.queued':
      return joined(`$ ${text('command')}`, text('origin') === 'user' ? '' : `(${text('origin')})`, commandId ?? '');
    case 'command.started':
      return commandId ?? '';
    case 'command.output':
      return outputSummary(data);
    case 'command.ended':
      return endSummary(data);
    case 'proposal.opened':
      return joined(text('proposalId'), text('title'), text('headCommit').slice(0, 12));
    case 'proposal.checked':
      return joined(`$ ${text('command')}`, text('outcome'), data['exitCode'] == null ? '' : `${data['exitCode']}`);
    case 'proposal.approved':
    case 'proposal.rejected':
      return joined(text('proposalId'), `by ${text('by')}`, text('comment'));
    case 'proposal.merged':
      return joined(text('proposalId'), text('mergeCommit').slice(0, 12));
    case 'proposal.closed':
      return joined(text('proposalId'), text('comment'));
    case 'trial.verdict':
      return joined(text('verdict') || 'no verdict', text('strategy'), text('reason'));
    case 'egress.refused':
      return joined(
        `${text('host')}:${data['port']}`,
        text('reason'),
        Number(data['count']) > 1 ? `${data['count']} times` : '',
      );
    case 'turn.started':
      return joined(`by ${text('agent')}`, turnId ?? '');
    case 'turn.ended':
      return joined(text('outcome'), text('reason') && `(${text('reason')})`, usageSummary(data['usage']));
    case 'message.user':
      return joined(`> ${text('text')}`, turnId ?? '');
    case 'message.agent':
      return joined(text('text'), callsSummary(data['toolCalls']), text('finish') === 'stop' ? '' : text('finish'));
    case 'message.summary':
      return joined(`up to ${text('throughMessageId')}`, text('text'));
    case 'message.agent_delta':
    case 'reasoning':
    case 'reasoning.delta':
      return text('text');
    case 'tool.started':
      return joined(toolLine(text('tool'), text('inputJson')), text('toolCallId'));
    case 'tool.ended':
      return joined(data['failed'] === true ? 'failed' : 'done', text('outputJson'), text('toolCallId'));
    case 'permission.requested':
      return joined(text('toolKind'), text('detail'), text('permissionId'));
    case 'permission.answered':
      return joined(text('decision'), data['remember'] === true ? 'always' : '', text('permissionId'));
    case 'file.read':
      return joined(
        text('path'),
        `${formatBytes(Number(data['length'] ?? 0))} from ${Number(data['offset'] ?? 0)}`,
        text('source') && `by ${text('source')}`,
      );
    case 'context.referenced':
      return contextSummary(data);
    case 'plan.updated':
      return joined(...list(data['items']).map((item) => planItem(item as Record<string, unknown>)));
    case 'usage':
      return joined(text('model'), usageSummary(data));
    case 'limit.reached':
      return [text('limit'), text('detail')].filter(Boolean).join(': ');
    case 'gap':
      return gapSummary(data);
    default:
      return Object.keys(data).length > 0 ? JSON.stringify(data) : '';
  }
}

/** "2 steps  1200 tokens  $0.0100"; of one call of a model the same without steps. */
function usageSummary(usage: unknown): string {
  const { steps, inputTokens = 0, outputTokens = 0, costUsd = 0 } = (usage ?? {}) as Record<string, number>;
  return joined(
    steps === undefined ? '' : `${steps} ${steps === 1 ? 'step' : 'steps'}`,
    `${inputTokens + outputTokens} tokens`,
    costUsd > 0 ? formatCost(costUsd) : '',
  );
}

function callsSummary(calls: unknown): string {
  const tools = list(calls).map((call) => String((call as { tool?: unknown }).tool));
  return tools.length > 0 ? `→ ${tools.join(', ')}` : '';
}

function contextSummary(data: Record<string, unknown>): string {
  const references = list(data['references']) as Record<string, unknown>[];
  const shown = references.slice(0, filesShownMax).map(({ path, firstLine, lastLine }) => {
    return `${path}${firstLine ? `:${firstLine}-${lastLine}` : ''}`;
  });
  const more = references.length > filesShownMax ? `… ${references.length} places` : '';
  return joined(`"${data['query']}"`, ...shown, more);
}

function planItem({ text, state }: Record<string, unknown>): string {
  return `${planMarks[String(state)] ?? '?'} ${text}`;
}

function leftFor(ref: string): string {
  if (ref === '') return 'nowhere';
  return ref === 'HEAD' ? 'detached' : `on ${ref.replace(/^refs\/heads\//, '')}`;
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

function restoredSummary(data: Record<string, unknown>): string {
  const notKept = list(data['notKept']).map(String);
  const from = data['checkpointId'] ? `from ${data['checkpointId']}` : '';
  return joined(from, notKept.length > 0 ? `not kept: ${notKept.join(', ')}` : '', String(data['runnerId'] ?? ''));
}

function revertedSummary(data: Record<string, unknown>): string {
  const removed = list(data['removed']).map(String);
  return joined(
    `to checkpoint ${data['checkpointNumber']}, as checkpoint ${data['newCheckpointNumber']}`,
    data['exact'] === false ? 'written to meanwhile' : '',
    removed.length > 0 ? `removed: ${removed.join(', ')}` : '',
  );
}

function checkpointSummary({ number, commit, filesChanged, label, leftOut }: Record<string, unknown>): string {
  const files = Number(filesChanged ?? 0);
  const without = list(leftOut).map((one) => `${(one as LeftOut).count} ${(one as LeftOut).kind}`);
  return joined(
    `checkpoint ${number}`,
    String(commit ?? '').slice(0, 12),
    `${files} ${files === 1 ? 'file' : 'files'}`,
    label ? `"${label}"` : '',
    without.length > 0 ? `left out: ${without.join(', ')}` : '',
  );
}

interface LeftOut {
  kind: string;
  count: number;
}

/** The first files; `M src/a.ts +3 -1`, as git's letters have it. */
function filesSummary(data: Record<string, unknown>): string {
  const files = list(data['files']);
  const shown = files.slice(0, filesShownMax).map((file) => fileChange(file as Record<string, unknown>));
  const isWhole = files.length <= filesShownMax && data['truncated'] !== true;
  const more = data['truncated'] === true ? '…' : `… ${files.length} files`;
  return joined(...shown, isWhole ? '' : more);
}

const letters: Record<string, string> = { added: 'A', modified: 'M', deleted: 'D', renamed: 'R', mode_changed: 'T' };

function fileChange({ status, path, oldPath, additions, deletions, binary }: Record<string, unknown>): string {
  const named = oldPath ? `${oldPath} -> ${path}` : path;
  const lines = binary === true ? 'binary' : [signed('+', additions), signed('-', deletions)].filter(Boolean).join(' ');
  return [letters[String(status)] ?? '?', named, lines].filter(Boolean).join(' ');
}

function signed(sign: string, lines: unknown): string {
  return Number(lines) > 0 ? `${sign}${lines}` : '';
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function gapSummary(data: Record<string, unknown>): string {
  const { producer, fromPosition, toPosition, fromNumber, toNumber, reason } = data;
  if (toPosition) return `bytes ${fromPosition} to ${toPosition} of ${producer} were not kept: ${reason}`;
  if (toNumber) return `events ${fromNumber} to ${toNumber} of ${producer} were not kept: ${reason}`;
  return `${producer} was not kept: ${reason}`;
}

function joined(...parts: string[]): string {
  return parts.filter(Boolean).join('  ');
}
