// A model whose answers are a function of what it is asked, at an address of its own: it speaks the streaming API of chat completions.
//
// 1. Everything that it was asked is kept, with when it came: who asks twice for one step is found out.
// 2. It tells how far an answer is (`at`), and goes on when it is let: what is to be hit can be hit at that moment.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Asked {
  /** The newest message of the user that is one (see `isMessage`). */
  text: string;
  /** How many answers to it are told, and one: from 1. */
  step: number;
  /** Of the results of tools that are told since that message. */
  results: string[];
  /** All that is told, whoever said it. */
  messages: number;
  /** Date.now() */
  atMs: number;
}

export interface Answer {
  reasoning?: string;
  text: string;
  calls: { tool: string; input: object }[];
}

/** Nothing of the answer is sent; half of its text is; all is but the end; it is over. */
export type Moment = 'asked' | 'half' | 'ending' | 'answered';

export interface ScriptedModel {
  readonly url: string;
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

export interface ScriptedModelOptions {
  answer(asked: Asked): Answer;
  /** The answer goes on when it resolves. */
  at?(moment: Moment, asked: Asked): Promise<void> | void;
  /** Between the parts of a text. */
  paceMs?: number;
  /** False: told in the user's name, as that a sandbox was restored, and nothing that is to be answered. Without it everything is. */
  isMessage?(text: string): boolean;
}

interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content?: unknown;
}

const partLength = 40;

/** What makes a cluster ask it. */
export function modelEnvironment(url: string): Record<string, string> {
  return { WORKTRAIL_MODEL_URL: `${url}/v1`, WORKTRAIL_MODEL_DEFAULT: 'custom/scripted' };
}

export async function startScriptedModel(options: ScriptedModelOptions): Promise<ScriptedModel> {
  const { answer, at, paceMs = 0, isMessage = () => true } = options;
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    reply(request, response).catch(() => response.destroy());
  });

  async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const atMs = Date.now();
    const { messages, model } = JSON.parse(Buffer.concat(chunks).toString()) as {
      messages: ChatMessage[];
      model: string;
    };
    const one = { ...read(messages, isMessage), atMs };
    asked.push(one);
    await at?.('asked', one);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (delta: object, finish: string | null = null, usage?: object) => {
      const choices = usage ? [] : [{ index: 0, delta, finish_reason: finish }];
      const body = {
        id: 'scripted',
        object: 'chat.completion.chunk',
        created: 0,
        model,
        choices,
        ...(usage && { usage }),
      };
      response.write(`data: ${JSON.stringify(body)}\n\n`);
    };
    const { reasoning, text, calls } = answer(one);
    send({ role: 'assistant' });
    if (reasoning !== undefined) send({ reasoning_content: reasoning });
    const parts = text.match(new RegExp(`[^]{1,${partLength}}`, 'g')) ?? [];
    for (const [index, part] of parts.entries()) {
      if (paceMs > 0 && index > 0) await delay(paceMs);
      if (index === Math.floor(parts.length / 2)) await at?.('half', one);
      send({ content: part });
    }
    for (const [index, { tool, input }] of calls.entries()) {
      const call = { name: tool, arguments: JSON.stringify(input) };
      send({ tool_calls: [{ index, id: `call-${one.step}-${index}`, type: 'function', function: call }] });
    }
    await at?.('ending', one);
    send({}, calls.length > 0 ? 'tool_calls' : 'stop');
    send({}, null, { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 });
    response.end('data: [DONE]\n\n');
    await at?.('answered', one);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function read(messages: readonly ChatMessage[], isMessage: (text: string) => boolean): Omit<Asked, 'atMs'> {
  const last = messages.findLastIndex(({ role, content }) => role === 'user' && isMessage(textOf(content)));
  const since = messages.slice(last + 1);
  return {
    text: textOf(messages[last]?.content),
    step: since.filter(({ role }) => role === 'assistant').length + 1,
    results: since.filter(({ role }) => role === 'tool').map(({ content }) => textOf(content)),
    messages: messages.length,
  };
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: { text?: string }) => part.text ?? '').join('');
}
