// A model's server that does what no good one does. A script is found by what the last message of the user has in it, and is told how
// often it was asked before.

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  body: any;
  atMs: number;
  /** Of this script, before. */
  count: number;
}

export type Script = (response: ServerResponse, asked: Asked) => void | Promise<void>;

export interface RawModel {
  readonly url: string;
  /** Of a script, oldest first. */
  asked(message: string): Asked[];
  on(message: string, script: Script): void;
  stop(): Promise<void>;
}

/** Of a request to write a summary. */
export const summaryRequest = 'Write down what is to be remembered';

export async function startRawModel(): Promise<RawModel> {
  const scripts = new Map<string, Script>();
  const requests = new Map<string, Asked[]>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString());
      const last = textOf(body.messages.findLast(({ role }: any) => role === 'user')?.content);
      const isSummary = last.includes(summaryRequest);
      const message = [...scripts.keys()].find((key) => last.includes(key) && (key === summaryRequest || !isSummary));
      const asked = requests.get(message ?? '') ?? [];
      const now = { body, atMs: Date.now(), count: asked.length };
      requests.set(message ?? '', [...asked, now]);
      void (scripts.get(message ?? '') ?? ((to) => void to.writeHead(418).end()))(response, now);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked: (message) => requests.get(message) ?? [],
    on: (message, script) => void scripts.set(message, script),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map((part) => part.text ?? '').join('') : '';
}

export type Delta = {
  content?: string;
  tool_calls?: { index: number; id?: string; function: { name?: string; arguments?: string } }[];
};

export function chunk(delta: Delta, finish: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'raw', choices })}\n\n`;
}

export function begin(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
}

export function end(
  response: ServerResponse,
  finish: string,
  usage = { prompt_tokens: 100, completion_tokens: 10 },
): void {
  const total = { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens };
  response.write(chunk({}, finish));
  response.write(
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'raw', choices: [], usage: total })}\n\n`,
  );
  response.end('data: [DONE]\n\n');
}

export function says(content: string): Script {
  return (response) => {
    begin(response);
    response.write(chunk({ content }));
    end(response, 'stop');
  };
}

export function calls(...uses: [name: string, input: string, id?: string][]): Script {
  return (response) => {
    begin(response);
    uses.forEach(([name, input, id], index) => {
      response.write(
        chunk({ tool_calls: [{ index, id: id ?? `call_${index}`, function: { name, arguments: input } }] }),
      );
    });
    end(response, 'tool_calls');
  };
}

export function refuses(
  status: number,
  headers: Record<string, string> = {},
  message = 'no',
  code = 'some_code',
): Script {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ error: { message, code } }));
  };
}

/** One after the other; the last of them from then on. */
export function inTurn(...scripts: Script[]): Script {
  return (response, asked) => scripts[Math.min(asked.count, scripts.length - 1)]!(response, asked);
}
