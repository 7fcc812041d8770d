// What a handler answers, before it becomes a Response.

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

export const noContent: Reply = { status: 204, body: null };

export function etag(revision: number | string): string {
  return `"${revision}"`;
}
