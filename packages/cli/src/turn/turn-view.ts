// What a turn looks like as it goes on: its events in, what to print out.
//
// 1. The answer is told apart from all that is said beside it. What is beside it comes in whole lines of bounded length.
// 2. On a terminal the answer is shown as it comes; what an attempt has said that broke off stays there, and that it broke off is said.
//    Elsewhere a message is shown when it is whole, so that what is read is what the agent has said, once.
// 3. Nothing that comes from a model or a sandbox reaches the screen with anything that a terminal would act on.
// 4. Of each command so many lines are shown; of the others it is said how many they are and how to see them.

import type { WorktrailEvent } from '@worktrail/client';
import { eventSummary, planMarks } from '../events/event-line.ts';
import { outputChunk } from '../run/output-writer.ts';
import { formatCost, formatDuration } from '../screen/quantities.ts';
import type { Style } from '../screen/style.ts';
import { cutTo, visible, visibleLines } from '../screen/visible-text.ts';
import { createLineSplitter, type LineSplitter } from '../trial/line-splitter.ts';
import { toolLine } from './tool-line.ts';

export const outputLinesMax = 200;
const lineColumnsMax = 200;
const askedLinesMax = 20;
const thoughtLengthMax = 1_000;

export type Piece =
  /** Of the answer, as it stands: a line may go on in the next piece. */
  | { kind: 'answer'; text: string }
  /** A line beside it, with its end. */
  | { kind: 'beside'; text: string };

export interface TurnViewOptions {
  style: Style;
  /** On a terminal. */
  live: boolean;
  /** Shows what the model thinks, not only that it does. */
  reasoning: boolean;
}

export interface TurnView {
  show(event: WorktrailEvent): Piece[];
}

interface ShownCommand {
  stdout: LineSplitter;
  stderr: LineSplitter;
  lines: number;
}

export function createTurnView({ style, live, reasoning: showsReasoning }: TurnViewOptions): TurnView {
  const answer = { messageId: '', attempt: 0, shown: '', isMidLine: false };
  const noThought = () => ({ attempt: '', lines: createLineSplitter(), begun: '', isShown: false });
  const thought = noThought();
  const commands = new Map<string, ShownCommand>();

  const beside = (text: string, paint: (text: string) => string = style.dim): Piece[] => [
    ...endOfLine(),
    { kind: 'beside', text: `${paint(cutTo(text, lineColumnsMax))}\n` },
  ];
  const besideLines = (lines: readonly string[], paint?: (text: string) => string) =>
    lines.flatMap((line) => beside(line, paint));

  function endOfLine(): Piece[] {
    if (!answer.isMidLine) return [];
    answer.isMidLine = false;
    return [{ kind: 'answer', text: '\n' }];
  }

  function said(text: string): Piece[] {
    const shown = visibleLines(text);
    if (shown === '') return [];
    answer.isMidLine = !shown.endsWith('\n');
    return [{ kind: 'answer', text: shown }];
  }

  /** Another attempt of a message, or another message, begins. */
  function meet(messageId: string, attempt: number): Piece[] {
    if (answer.messageId === messageId && answer.attempt === attempt) return [];
    const brokeOff = answer.messageId === messageId && answer.shown !== '';
    Object.assign(answer, { messageId, attempt, shown: '' });
    return brokeOff ? beside('The answer broke off, and begins again:', style.yellow) : [];
  }

  function delta({ data }: WorktrailEvent): Piece[] {
    if (!live || Number(data['attempt']) < answer.attempt) return [];
    const text = textOf(data['text']);
    const begun = [...thoughtBefore(), ...meet(textOf(data['messageId']), Number(data['attempt']))];
    answer.shown += text;
    return [...begun, ...said(text)];
  }

  function message({ data }: WorktrailEvent): Piece[] {
    const whole = textOf(data['text']);
    const begun = meet(textOf(data['messageId']), Number(data['attempt']));
    const isContinued = whole.startsWith(answer.shown);
    const rest = isContinued ? whole.slice(answer.shown.length) : whole;
    const again = isContinued ? [] : beside('The answer as it is:', style.yellow);
    Object.assign(answer, { messageId: '', attempt: 0, shown: '' });
    return [...begun, ...again, ...said(rest), ...endOfLine()];
  }

  function thatItThinks(text: string): Piece[] {
    const lines = text.trim().split('\n');
    return beside(`∴ ${visible(lines[0]!.trim())}${lines.length > 1 ? ' …' : ''}`);
  }

  /** The whole of it is told once the answer is whole, too. */
  function thoughtBefore(): Piece[] {
    if (thought.isShown || thought.begun.trim() === '') return [];
    thought.isShown = true;
    return thatItThinks(thought.begun);
  }

  function thinks({ data }: WorktrailEvent): Piece[] {
    if (!live) return [];
    const attempt = `${textOf(data['messageId'])} ${String(data['attempt'])}`;
    if (thought.attempt !== attempt) Object.assign(thought, { ...noThought(), attempt, isShown: showsReasoning });
    if (!showsReasoning) {
      thought.begun = (thought.begun + textOf(data['text'])).slice(0, thoughtLengthMax);
      return [];
    }
    return besideLines(thought.lines.push(Buffer.from(textOf(data['text']))).map(thoughtLine));
  }

  function hasThought({ data }: WorktrailEvent): Piece[] {
    const { isShown, lines } = thought;
    const text = textOf(data['text']);
    Object.assign(thought, noThought());
    if (!showsReasoning) return isShown ? [] : thatItThinks(text);
    const rest = isShown ? lines.rest() : text.split('\n');
    return besideLines(rest.map(thoughtLine));
  }

  function commandOf(id: string): ShownCommand {
    const known = commands.get(id);
    if (known) return known;
    const made = { stdout: createLineSplitter(), stderr: createLineSplitter(), lines: 0 };
    commands.set(id, made);
    return made;
  }

  function outputLines(command: ShownCommand, lines: readonly string[]): Piece[] {
    const room = Math.max(0, outputLinesMax - command.lines);
    command.lines += lines.length;
    return besideLines(lines.slice(0, room).map((line) => `    ${visible(line.replaceAll('\t', '  '))}`));
  }

  function output(event: WorktrailEvent): Piece[] {
    const { stream, bytes } = outputChunk(event);
    const command = commandOf(event.commandId ?? '');
    return outputLines(command, command[stream].push(bytes));
  }

  function commandEnded(event: WorktrailEvent): Piece[] {
    const id = event.commandId ?? '';
    const command = commandOf(id);
    commands.delete(id);
    const rest = outputLines(command, [...command.stdout.rest(), ...command.stderr.rest()]);
    const more = command.lines - outputLinesMax;
    const left = more > 0 ? beside(`    … ${more} more lines: worktrail logs ${event.sessionId} --command ${id}`) : [];
    const isWell = event.data['outcome'] === 'exited' && event.data['exitCode'] === 0;
    return [...rest, ...left, ...beside(`  ${visible(eventSummary(event))}`, isWell ? style.green : style.red)];
  }

  return {
    show(event) {
      const { type, data } = event;
      switch (type) {
        case 'message.user':
          return besideLines(askedLines(textOf(data['text'])), style.bold);
        case 'message.agent_delta':
          return delta(event);
        case 'message.agent':
          return message(event);
        case 'reasoning.delta':
          return thinks(event);
        case 'reasoning':
          return hasThought(event);
        case 'message.summary':
          return beside('(what was said before is summed up for the model; all of it stays in the history)');
        case 'tool.started':
          return beside(`→ ${toolLine(textOf(data['tool']), textOf(data['inputJson']))}`, style.cyan);
        case 'tool.ended':
          return failedWith(data) === '' ? [] : beside(`  ✗ ${failedWith(data)}`, style.red);
        case 'command.output':
          return output(event);
        case 'command.ended':
          return commandEnded(event);
        case 'plan.updated':
          return besideLines(planLines(data['items']), (text) => text);
        case 'files.changed':
        case 'context.referenced':
          return beside(`  ${visible(eventSummary(event))}`);
        case 'session.resuming':
        case 'session.restored':
          return beside(`  ${type}: ${visible(eventSummary(event))}`);
        case 'session.failed':
        case 'permission.answered':
        case 'egress.refused':
        case 'limit.reached':
        case 'gap':
          return beside(`  ${type}: ${visible(eventSummary(event))}`, style.yellow);
        default:
          return [];
      }
    },
  };
}

/** "completed after 3 steps, 1234 tokens, 12.3 s". */
export function turnEndLine({ data }: WorktrailEvent, elapsedMs: number | null): string {
  const { outcome, reason } = data;
  const usage = (data['usage'] ?? {}) as Record<string, number>;
  const { steps = 0, inputTokens = 0, outputTokens = 0, costUsd = 0 } = usage;
  const took = [
    `${steps} ${steps === 1 ? 'step' : 'steps'}`,
    `${inputTokens + outputTokens} tokens`,
    costUsd > 0 ? formatCost(costUsd) : '',
    elapsedMs === null ? '' : formatDuration(elapsedMs),
  ].filter(Boolean);
  const why = reason ? `: ${cutTo(visible(String(reason)), lineColumnsMax)}` : '';
  return `${visible(String(outcome)).replace('_', ' ')}${why} (${took.join(', ')})`;
}

function askedLines(text: string): string[] {
  const lines = visibleLines(text).trim().split('\n');
  const shown = lines.slice(0, askedLinesMax).map((line) => `> ${line}`);
  return lines.length > askedLinesMax ? [...shown, `> … ${lines.length - askedLinesMax} more lines`] : shown;
}

function thoughtLine(line: string): string {
  return `∴ ${visible(line.replaceAll('\t', '  '))}`;
}

function planLines(items: unknown): string[] {
  if (!Array.isArray(items)) return [];
  return items.map((item: { text?: unknown; state?: unknown }) => {
    return `  ${planMarks[String(item.state)] ?? '?'} ${visible(textOf(item.text))}`;
  });
}

/** What a tool says that it could not do; '' where it could, and of a command, whose end is shown. */
function failedWith({ failed, outputJson }: Record<string, unknown>): string {
  if (failed !== true) return '';
  try {
    const { error } = JSON.parse(textOf(outputJson)) as { error?: unknown };
    return typeof error === 'string' ? visible(error) : '';
  } catch {
    return visible(textOf(outputJson));
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
