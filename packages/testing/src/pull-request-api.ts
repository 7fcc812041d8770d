// What the APIs of pull-request-server.ts are made of.

import type { IncomingMessage } from 'node:http';

export interface Pull {
  number: number;
  title: string;
  body: string;
  branch: string;
  base: string;
  state: 'open' | 'closed' | 'merged';
  /** While it is open, the branch's. */
  sha: string;
  mergeCommit: string | null;
  squashed: boolean;
  by: string | null;
  hasBranch?: boolean;
}

export interface ApiCall {
  method: string;
  /** Below the API's own, as it came: still encoded. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

export interface ApiAnswer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface HostApi {
  /** "/api/v3" */
  prefix: string;
  isKnown(headers: IncomingMessage['headers'], token: string): boolean;
  unknown: ApiAnswer;
  answer(host: PullHost, call: ApiCall): Promise<ApiAnswer>;
}

/** What an API is made of. */
export interface PullHost {
  readonly url: string;
  readonly pulls: Pull[];
  tip(branch: string): Promise<string | undefined>;
  open(of: Pick<Pull, 'title' | 'body' | 'branch' | 'base'>): Promise<Pull>;
}

/** One page, and where the next one is. */
export function pageOf<T>(items: readonly T[], page: number, size: number, address: string) {
  const isMore = items.length > page * size;
  const url = new URL(address);
  url.searchParams.set('page', String(page + 1));
  return {
    items: items.slice((page - 1) * size, page * size),
    nextPage: isMore ? String(page + 1) : '',
    ...{ link: isMore ? `<${url.href}>; rel="next"` : '', total: String(items.length) },
  };
}

/** Members that an API does not document. */
export function unknownMembers(body: Record<string, unknown>, known: readonly string[]): string[] {
  return Object.keys(body).filter((name) => !known.includes(name));
}
