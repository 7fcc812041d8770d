// Making a conversation fit its model: what is oldest is replaced by a summary, which is an event of its own.
//
// 1. A range is summarized once: the summary is stored before the next is made or the model is asked, and whoever reads the history after
//    that begins with it.
// 2. A call of a tool and what it came to stay together. The message that is being worked on stays word for word.
// 3. It ends: each summary replaces something, and there are at most `summariesMax` before one step.

import { create } from '@bufbuild/protobuf';
import type { TokenUsage } from '@worktrail/contract/turns';
import { EventSchema } from '@worktrail/proto/event';
import { addEvent, copyOf, type Conversation, cutOff, type Entry } from './conversation.ts';
import { usageMessage } from './usage.ts';

export const summariesMax = 16;
const entryOverheadTokens = 10;
/** Where the model's own bound is not known: so much a process holds of a session. */
export const conversationTokensMax = 1_000_000;

/** More than a tokenizer finds in most texts. Where it is less, the provider says that it was too much. */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 3);
}

export function entryTokens(entry: Entry, outputs: ReadonlyMap<string, string>): number {
  if (entry.kind !== 'step') return entryOverheadTokens + estimateTokens(entry.text);
  return entry.message.toolCalls.reduce(
    (sum, { toolCallId, inputJson }) =>
      sum + 2 * entryOverheadTokens + estimateTokens(inputJson) + estimateTokens(outputs.get(toolCallId) ?? cutOff),
    entryOverheadTokens + estimateTokens(entry.message.text),
  );
}

export function conversationTokens({ entries, outputs }: Conversation): number {
  return entries.reduce((sum, entry) => sum + entryTokens(entry, outputs), 0);
}

/** What a conversation may take of a model's context, beside its answer and what it is told always. */
export function tokenBudget(
  { contextTokens, outputTokensMax }: { contextTokens: number | null; outputTokensMax: number | null },
  alwaysTokens: number,
): number {
  if (contextTokens === null) return conversationTokensMax;
  const answer = Math.min(outputTokensMax ?? 16_000, contextTokens / 4);
  // A model that cannot even hold its tools gets a little, and says itself that it is too much.
  return Math.floor(Math.max(contextTokens - answer - alwaysTokens, contextTokens / 8));
}

export interface CompactionPlan {
  /** The last message that is replaced. */
  throughMessageId: string;
  /** Of all that is replaced, for the model to summarize. */
  transcript: string;
}

/**
 * What is to be replaced first, so that in the end at most `keepTokens` are told word for word. `askTokensMax`: of a transcript. null: there
 * is nothing that can be.
 */
export function planCompaction(
  { entries, outputs }: Pick<Conversation, 'entries' | 'outputs'>,
  { keepTokens, askTokensMax }: { keepTokens: number; askTokensMax: number },
): CompactionPlan | null {
  let kept = 0;
  let end = entries.length;
  for (; end > 0; end -= 1) {
    kept += entryTokens(entries[end - 1]!, outputs);
    if (kept > keepTokens) break;
  }
  const current = entries.findLastIndex(({ kind }) => kind === 'message');
  const pieces: string[] = [];
  let asked = 0;
  let replaces = false;
  let plan: CompactionPlan | null = null;
  for (const [index, entry] of entries.slice(0, end).entries()) {
    const piece = clip(entryText(entry, outputs), Math.floor(askTokensMax * 1.5));
    asked += estimateTokens(piece);
    if (asked > askTokensMax && plan) break;
    pieces.push(piece);
    replaces ||= entry.kind === 'step' || (entry.kind === 'message' && index !== current);
    if (replaces && entry.id !== '') plan = { throughMessageId: entry.id, transcript: pieces.join('\n\n') };
  }
  return plan;
}

function entryText(entry: Entry, outputs: ReadonlyMap<string, string>): string {
  if (entry.kind === 'summary') return `Summary of what was before:\n${entry.text}`;
  if (entry.kind === 'note') return entry.text;
  if (entry.kind === 'message') return `User:\n${entry.text}`;
  const { text, toolCalls } = entry.message;
  const calls = toolCalls.map(
    ({ toolCallId, tool, inputJson }) => `${tool} ${inputJson}\ncame to: ${outputs.get(toolCallId) ?? cutOff}`,
  );
  return ['Agent:', ...(text ? [text] : []), ...calls].join('\n');
}

/** Its beginning and its end, where it is over so many bytes. */
export function clip(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  const head = Math.floor((bytesMax * 2) / 3);
  const tail = Math.max(bytesMax - head - 60, 0);
  const left = bytes.length - head - tail;
  return `${bytes.subarray(0, head).toString()}\n[${left} bytes left out]\n${bytes.subarray(bytes.length - tail).toString()}`;
}

export interface Summary {
  text: string;
  usage: TokenUsage;
}

export interface CompactionDeps {
  summarize(transcript: string, tokensMax: number): Promise<Summary>;
  store(throughMessageId: string, summary: Summary): Promise<void>;
  isTooLong(error: unknown): boolean;
}

/** @throws DoesNotFit */
export async function compact(
  { summarize, store, isTooLong }: CompactionDeps,
  conversation: Conversation,
  budget: number,
): Promise<{ conversation: Conversation; usage: TokenUsage[] }> {
  const usage: TokenUsage[] = [];
  if (conversationTokens(conversation) <= budget) return { conversation, usage };
  // The one that is read belongs to its reader.
  const own = copyOf(conversation);
  const summaryTokensMax = Math.min(Math.max(Math.floor(budget / 6), 100), 8_000);
  let askTokensMax = Math.floor(budget * 0.8);
  for (let made = 0; conversationTokens(own) > budget; made += 1) {
    const plan = planCompaction(own, { keepTokens: Math.floor(budget / 3), askTokensMax });
    if (!plan || made === summariesMax) throw new DoesNotFit();
    try {
      const summary = await summarize(plan.transcript, summaryTokensMax);
      const text = clip(summary.text, summaryTokensMax * 3);
      await store(plan.throughMessageId, { ...summary, text });
      usage.push(summary.usage);
      const value = { throughMessageId: plan.throughMessageId, text, usage: usageMessage('', summary.usage) };
      addEvent(own, create(EventSchema, { payload: { case: 'messageSummary', value } }));
    } catch (error) {
      if (!isTooLong(error)) throw error;
      askTokensMax = Math.floor(askTokensMax / 2);
    }
  }
  return { conversation: own, usage };
}

/** Also with all summarized that can be. */
export class DoesNotFit extends Error {
  constructor() {
    super('the conversation does not fit the context of the model, also when it is summarized');
    this.name = 'DoesNotFit';
  }
}
