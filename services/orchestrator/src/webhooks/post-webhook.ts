// One POST to a URL that a tenant has named: what comes of it is told, whatever the other side does.
//
// 1. The name is resolved once, and what is connected to is an address of it that was judged: a name that changes its mind reaches nothing else.
// 2. Without TLS only what the operator has allowed of private networks is reached.
// 3. A redirect is an answer like any other, and not followed. Of an answer's body at most `detailBytesMax` are read, of any answer only within
//    `patienceMs` after the request was begun; then the connection is cut.

import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { type AddressJudge, canonicalHost, isPublic, plainAddress } from '@worktrail/runtime/addresses';
import type { ResolveName } from '@worktrail/runtime/name-resolver';

export const patienceMs = 15_000;
const detailBytesMax = 1_024;
const retryAfterSecondsMax = 24 * 3_600;

export interface PostDeps {
  judge: AddressJudge;
  resolve: ResolveName;
}

export interface Posted {
  /** null: there was no answer. */
  status: number | null;
  /** Empty after a 2xx. */
  detail: string;
  /** As the answer asks for. */
  retryAfterMs: number;
}

export async function postWebhook(
  { judge, resolve }: PostDeps,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<Posted> {
  const signal = AbortSignal.timeout(patienceMs);
  try {
    const target = new URL(url);
    const address = await inTime(signal, judgedAddress(target, judge, resolve));
    const answer = await send(target, address, { ...headers, 'content-length': String(body.length) }, body, signal);
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) {
      answer.destroy();
      return { status, detail: '', retryAfterMs: 0 };
    }
    const text = await beginOf(answer);
    const detail = status >= 300 && status < 400 ? 'redirects are not followed' : text;
    return { status, detail, retryAfterMs: retryAfterMsOf(answer.headers['retry-after']) };
  } catch (error) {
    const detail = signal.aborted ? `no answer within ${patienceMs / 1_000} s` : (error as Error).message;
    return { status: null, detail: detail.slice(0, detailBytesMax), retryAfterMs: 0 };
  }
}

async function judgedAddress(target: URL, judge: AddressJudge, resolve: ResolveName): Promise<string> {
  const host = canonicalHost(target.hostname);
  if (host === undefined) throw new Error(`${target.hostname} is no host`);
  const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80);
  const found = isIP(host) ? [host] : await resolve(host);
  const addresses = found.flatMap((one) => plainAddress(one) ?? []);
  if (addresses.length === 0) throw new Error(`${host} has no address`);
  const reachable = addresses.filter((one) => judge(one, port));
  const [address] = reachable;
  if (address === undefined) throw new Error(`${host} has no address that may be reached`);
  if (target.protocol === 'http:' && isPublic(address)) throw new Error('a public address is reached by https alone');
  return address;
}

function send(
  target: URL,
  address: string,
  headers: Record<string, string>,
  body: Buffer,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const begin = target.protocol === 'https:' ? requestHttps : requestHttp;
    const request: ClientRequest = begin(target, {
      ...{ method: 'POST', headers, signal, agent: false },
      lookup: (_, options, answer) => {
        const family = isIP(address);
        if (options.all) answer(null, [{ address, family }]);
        else answer(null, address, family);
      },
    });
    request.on('response', resolve);
    // For good: one that comes after the answer would end the process.
    request.on('error', reject);
    request.end(body);
  });
}

/** What of it is text. Cut, late and broken ones end here too. */
async function beginOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, detailBytesMax - size));
      size += chunk.length;
      if (size >= detailBytesMax) break;
    }
  } catch {
    // Its status is known.
  }
  answer.destroy();
  return Buffer.concat(chunks).toString('utf8');
}

/** Seconds or a date. */
export function retryAfterMsOf(header: string | undefined, nowMs = Date.now()): number {
  if (header === undefined) return 0;
  const seconds = /^\d{1,9}$/.test(header) ? Number(header) : (Date.parse(header) - nowMs) / 1_000;
  return Number.isFinite(seconds) ? Math.max(0, Math.min(seconds, retryAfterSecondsMax)) * 1_000 : 0;
}

async function inTime<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
  });
}
