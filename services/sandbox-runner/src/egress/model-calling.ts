// Calls of models on behalf of a sandbox: the key is added here, the answer passes as it comes, and its usage is told.
//
// 1. The caller's going away ends the call; what it had cost until then is told.
// 2. What a provider says of a key that it does not take stays here.
// 3. An answer waits where the caller does not take it; only a chat request's body is held, up to `requestBytesMax`, and
//    those of one sandbox up to `heldBytesMax` together.

import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { headersBack, type ModelCall } from './model-calls.ts';
import { createUsageReader, type ModelUsage, type UsageReader } from './model-usage.ts';
import { readChatRequest, withoutUsageEvents } from './stream-usage.ts';

const requestBytesMax = 32 * 1024 * 1024;
const heldBytesMax = 64 * 1024 * 1024;
const connectionsMax = 512;
/** Models think long before they say anything. */
const silenceMs = 15 * 60_000;

/** One sandbox. */
export interface ModelCaller {
  /** Of its requests, at the moment. */
  heldBytes: number;
  /** Once for a call, when the answer is over, where it said anything of usage. */
  used(usage: ModelUsage, call: ModelCall): void;
}

export interface ModelCalling {
  /** Never rejects. */
  call(planned: ModelCall, request: IncomingMessage, response: ServerResponse, caller: ModelCaller): Promise<void>;
  close(): void;
}

export function createModelCalling(): ModelCalling {
  const agents = {
    http: new HttpAgent({ keepAlive: true, maxSockets: connectionsMax }),
    https: new HttpsAgent({ keepAlive: true, maxSockets: connectionsMax }),
  };

  function open({ url, headers }: ModelCall, method: string): ClientRequest {
    const options = { method, headers, timeout: silenceMs };
    const asked =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, agent: agents.https })
        : httpRequest(url, { ...options, agent: agents.http });
    asked.on('timeout', () => asked.destroy(new Error('nothing came for too long')));
    return asked;
  }

  return {
    async call(planned, request, response, caller) {
      let reader: UsageReader | undefined;
      let held = 0;
      let askedModel = planned.model;
      const hold = (bytes: number) => {
        held += bytes;
        caller.heldBytes += bytes;
        if (held > requestBytesMax) throw new BodyRefused(413, `a request is over ${requestBytesMax} bytes`);
        if (caller.heldBytes > heldBytesMax)
          throw new BodyRefused(429, `requests of this sandbox to models are over ${heldBytesMax} bytes together`);
      };
      try {
        const { body, length, hidesUsage, model } = await requestBody(planned, request, hold);
        if (response.destroyed) return;
        askedModel ||= model;
        const outgoing = { ...planned, headers: { ...planned.headers, ...length } };
        const asked = open(outgoing, request.method ?? 'POST');
        response.once('close', () => asked.destroy());
        const answered = answerOf(asked);
        pipeline(body, asked).catch(() => undefined);
        const answer = await answered;
        const status = answer.statusCode ?? 502;
        if (status === 401 || status === 403) {
          answer.resume();
          fail(response, 502, "the provider does not take the operator's key");
          return;
        }
        response.writeHead(status, answerHeaders(answer));
        const watched = createUsageReader(String(answer.headers['content-type'] ?? ''));
        reader = watched;
        const tap = new Transform({
          transform(chunk: Buffer, _encoding, done: TransformCallback) {
            watched.push(chunk);
            done(null, chunk);
          },
        });
        if (hidesUsage) await pipeline(answer, tap, withoutUsageEvents(), response);
        else await pipeline(answer, tap, response);
      } catch (error) {
        if (error instanceof BodyRefused) fail(response, error.status, error.message);
        else fail(response, 502, 'the model could not be called');
      } finally {
        caller.heldBytes -= held;
        const usage = reader?.usage();
        if (usage) caller.used({ ...usage, model: usage.model || askedModel }, { ...planned, model: askedModel });
      }
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

class BodyRefused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface OutgoingBody {
  body: Readable;
  length: Record<string, string>;
  /** The caller has not asked for the usage that will come. */
  hidesUsage: boolean;
  /** As it is asked for; '' where that is not read. */
  model: string;
}

/** @throws what `hold` does, for what is held */
async function requestBody(
  { isChatCompletion }: ModelCall,
  request: IncomingMessage,
  hold: (bytes: number) => void,
): Promise<OutgoingBody> {
  const given = request.headers['content-length'];
  if (!isChatCompletion)
    return {
      body: request,
      length: given === undefined ? {} : { 'content-length': given },
      hidesUsage: false,
      model: '',
    };
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hold(chunk.length);
    chunks.push(chunk);
  }
  const whole = Buffer.concat(chunks);
  const { model, asking } = readChatRequest(whole);
  const bytes = asking ?? whole;
  return {
    body: Readable.from([bytes]),
    length: { 'content-length': String(bytes.length) },
    hidesUsage: asking !== undefined,
    model,
  };
}

function answerOf(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.once('response', resolve);
    asked.on('error', reject);
    asked.once('close', () => reject(new Error('closed without an answer')));
  });
}

function answerHeaders({ headers }: IncomingMessage): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of headersBack) {
    const value = headers[name];
    if (typeof value === 'string') passed[name] = value;
  }
  return passed;
}

/** As the providers' own clients read errors. */
export function fail(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { type: 'worktrail', message: `worktrail: ${message}` } }));
}
