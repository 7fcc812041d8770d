// A session's conversation, from its history: the one source of what a model is told.
//
// 1. Turns in the order in which they began, each with its message, its steps, and what their tools came to. The same events give the same
//    conversation, on whatever host.
// 2. Of a step only its `message.agent` counts: what an attempt left that was cut off is not in it.
// 3. Each call of a tool has an end, for a model: one that has none in the history was cut off.
// 4. What befell the session beside its turns, and would make the model wrong about its files, stands as a note where it happened.
// 5. A `message.summary` stands instead of all up to the message that it names; that stays in the history and is not held here.

import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { ModelMessage, ToolResultPart } from 'ai';
import type { TokenUsage } from '@worktrail/contract/turns';
import type { Event, MessageAgent, MessageSummary, SessionRestored, SessionReverted } from '@worktrail/proto/event';
import { readUsage } from './usage.ts';

export type Entry =
  /** `id`: of the turn that it began. */
  | { kind: 'message'; id: string; turnId: string; text: string }
  /** `id`: of the message, which is its producer. `atMs`: when it was said. */
  | { kind: 'step'; id: string; turnId: string; message: MessageAgent; atMs: number }
  | { kind: 'note'; id: ''; turnId: ''; text: string }
  | { kind: 'summary'; id: ''; turnId: ''; text: string };

export interface Conversation {
  /** In the order in which the model is told of them. */
  entries: Entry[];
  /** Messages that wait: by turn. */
  waiting: Map<string, string>;
  /** By the id of the call: the output as it was told. */
  outputs: Map<string, string>;
  /** By the same: when it ended. */
  endedMs: Map<string, number>;
  /** What the summaries took that the newest step with one has made. */
  summarized: { producer: string; usage: TokenUsage[] };
}

/** The types that `addEvent` looks at. */
export const conversationTypes = [
  'turn.started',
  'turn.ended',
  'message.user',
  'message.agent',
  'message.summary',
  'tool.ended',
  'session.reverted',
  'session.restored',
  'session.updated',
] as const;

const openCallsMax = 64;

export function newConversation(): Conversation {
  return {
    entries: [],
    waiting: new Map(),
    outputs: new Map(),
    endedMs: new Map(),
    summarized: { producer: '', usage: [] },
  };
}

/** Of which one can be added to without the other. */
export function copyOf({ entries, waiting, outputs, endedMs, summarized: made }: Conversation): Conversation {
  const maps = { waiting: new Map(waiting), outputs: new Map(outputs), endedMs: new Map(endedMs) };
  return { entries: [...entries], ...maps, summarized: { ...made, usage: [...made.usage] } };
}

export function addEvent(conversation: Conversation, { turnId, producer, time, payload }: Event): void {
  const { entries, waiting, outputs, endedMs } = conversation;
  const atMs = time ? timestampMs(time) : 0;
  switch (payload.case) {
    case 'toolEnded':
      outputs.set(payload.value.toolCallId, payload.value.outputJson);
      endedMs.set(payload.value.toolCallId, atMs);
      return;
    case 'messageUser':
      waiting.set(turnId, payload.value.text);
      return;
    case 'turnStarted':
      entries.push({ kind: 'message', id: turnId, turnId, text: waiting.get(turnId) ?? '' });
      waiting.delete(turnId);
      return;
    case 'messageAgent':
      // An agent in the sandbox says many as one producer.
      return addStep(entries, {
        kind: 'step',
        id: payload.value.messageId || producer,
        turnId,
        message: payload.value,
        atMs,
      });
    case 'messageSummary':
      return summarized(conversation, producer, payload.value);
    case 'turnEnded': {
      const { outcome, reason } = payload.value;
      waiting.delete(turnId);
      if (outcome === 'completed' || !entries.some((entry) => entry.turnId === turnId)) return;
      return note(entries, `your work on this was ended: ${outcome}${reason && `, ${reason}`}`);
    }
    case 'sessionReverted':
      return note(entries, revertNote(payload.value));
    case 'sessionRestored': {
      const lost = restoreNote(payload.value);
      if (lost) note(entries, lost);
      return;
    }
    case 'sessionUpdated': {
      const { outcome, method, conflicts } = payload.value;
      if (outcome === 'up_to_date') return;
      const left = outcome === 'conflicts' ? `, with conflicts in ${conflicts.join(', ')}` : '';
      return note(
        entries,
        `the newest default branch was brought in (${method})${left}: files may be others than you saw`,
      );
    }
  }
}

function note(entries: Entry[], text: string): void {
  entries.push({ kind: 'note', id: '', turnId: '', text: `[Worktrail: ${text}]` });
}

function revertNote({ checkpointNumber, notRestored }: SessionReverted): string {
  const without = notRestored.length > 0 ? `, but for: ${notRestored.join(', ')}` : '';
  return `the files were put back to what they were at checkpoint ${checkpointNumber}${without}. What was said stays; what was changed after that checkpoint is undone`;
}

function restoreNote({ notKept }: SessionRestored): string | undefined {
  if (notKept.length === 0) return undefined;
  return `the sandbox was opened anew from what was stored. Not kept: ${notKept.join(', ')}`;
}

/** With the others of its turn, also where that has ended meanwhile. */
function addStep(entries: Entry[], step: Extract<Entry, { kind: 'step' }>): void {
  if (entries.some(({ id }) => id === step.id)) return;
  const last = entries.findLastIndex(({ turnId }) => turnId === step.turnId);
  const isLate = last >= 0 && entries.slice(last + 1).some(({ kind }) => kind === 'message');
  entries.splice(isLate ? last + 1 : entries.length, 0, step);
}

function summarized(conversation: Conversation, producer: string, value: MessageSummary): void {
  const { throughMessageId, text, usage } = value;
  if (conversation.summarized.producer !== producer) conversation.summarized = { producer, usage: [] };
  conversation.summarized.usage.push(readUsage(usage));
  const at = conversation.entries.findIndex(({ id }) => id === throughMessageId);
  if (at < 0) return;
  const told = conversation.entries.slice(0, at + 1);
  const rest = conversation.entries.slice(at + 1);
  for (const entry of told) {
    for (const { toolCallId } of entry.kind === 'step' ? entry.message.toolCalls : []) {
      conversation.outputs.delete(toolCallId);
      conversation.endedMs.delete(toolCallId);
    }
  }
  // What is being worked on is told word for word.
  const { turnId } = told[at]!;
  const goesOn = !rest.some(({ kind }) => kind === 'message');
  const message = told.filter((entry) => goesOn && entry.kind === 'message' && entry.turnId === turnId);
  conversation.entries = [{ kind: 'summary', id: '', turnId: '', text }, ...message, ...rest];
}

export function findStep({ entries }: Conversation, producer: string): MessageAgent | undefined {
  const entry = entries.find(({ id }) => id === producer);
  return entry?.kind === 'step' ? entry.message : undefined;
}

/** Calls of tools that have no end yet: the newest, should one still come. */
export function openCalls({ entries, outputs }: Conversation): string[] {
  const calls = entries.flatMap((entry) => (entry.kind === 'step' ? entry.message.toolCalls : []));
  const open = calls.filter(({ toolCallId }) => !outputs.has(toolCallId));
  return open.slice(-openCallsMax).map(({ toolCallId }) => toolCallId);
}

export function modelMessages({ entries, outputs }: Pick<Conversation, 'entries' | 'outputs'>): ModelMessage[] {
  return entries.flatMap((entry): ModelMessage[] => {
    if (entry.kind === 'step') return stepMessages(entry.message, outputs);
    if (entry.kind === 'summary') {
      return [{ role: 'user', content: `[Worktrail: a summary of what was said and done before]\n${entry.text}` }];
    }
    return [{ role: 'user', content: entry.text }];
  });
}

function stepMessages({ text, toolCalls }: MessageAgent, outputs: ReadonlyMap<string, string>): ModelMessage[] {
  const calls = toolCalls.map(({ toolCallId, tool, inputJson }) => ({
    type: 'tool-call' as const,
    toolCallId,
    toolName: toolName(tool),
    input: readInput(inputJson),
  }));
  // Providers refuse a text of nothing but white space, and every conversation that has one.
  const content = [...(text.trim() ? [{ type: 'text' as const, text }] : []), ...calls];
  if (content.length === 0) return [];
  const assistant: ModelMessage = { role: 'assistant', content };
  if (toolCalls.length === 0) return [assistant];
  const results = toolCalls.map(
    ({ toolCallId, tool }): ToolResultPart => ({
      type: 'tool-result',
      toolCallId,
      toolName: toolName(tool),
      output: { type: 'text', value: outputs.get(toolCallId) ?? cutOff },
    }),
  );
  return [assistant, { role: 'tool', content: results }];
}

export const cutOff = '{"error":"it was cut off"}';

/** As a provider takes it, also of a tool that there is not. */
function toolName(tool: string): string {
  return tool.replace(/[^\w-]/g, '_').slice(0, 64) || '_';
}

/** Providers take nothing but an object. */
function readInput(json: string): object {
  try {
    const input: unknown = JSON.parse(json);
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input;
  } catch {
    // As below.
  }
  return { unreadable: json.slice(0, 1_000) };
}
