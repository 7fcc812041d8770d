// Request bodies, read within a bound and parsed by their schema.

import type { z } from '@hono/zod-openapi';
import { WorktrailError } from '@worktrail/contract/errors';
import { type FieldError, invalid } from '../problem.ts';

const errorsMax = 50;

/** @throws body_too_large as soon as the bound is passed, malformed_request when the body breaks off. */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  const declared = request.headers.get('content-length');
  if (declared !== null) {
    if (Number(declared) > bytesMax) throw tooLarge(bytesMax);
    return new Uint8Array(await unbroken(() => request.arrayBuffer()));
  }
  if (!request.headers.has('transfer-encoding') || request.body === null) return await rest(request, bytesMax);
  return await readChunks(request.body, bytesMax);
}

/** Requests that were made in process (tests) declare no length. */
async function rest(request: Request, bytesMax: number): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  return await readChunks(request.body, bytesMax);
}

async function readChunks(body: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  await unbroken(async () => {
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) throw tooLarge(bytesMax);
      chunks.push(chunk);
    }
  });
  return Buffer.concat(chunks);
}

async function unbroken<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof WorktrailError) throw error;
    throw new WorktrailError('malformed_request', 'the body broke off before its end', { cause: error });
  }
}

function tooLarge(bytesMax: number): WorktrailError {
  return new WorktrailError('body_too_large', `the body may have at most ${bytesMax} bytes`);
}

/** No body at all counts as an empty object. */
function parseJson(bytes: Uint8Array): unknown {
  if (bytes.byteLength === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new WorktrailError('malformed_request', `the body is not JSON: ${(error as Error).message}`);
  }
}

/**
 * A body of JSON by its schema.
 * @throws malformed_request, validation_failed
 */
export function parseBody<Schema extends z.ZodType>(schema: Schema, bytes: Uint8Array): z.output<Schema> {
  const value = parseJson(bytes);
  refuseLeftOut(value);
  return parseWith(schema, value);
}

interface Place {
  key: string;
  within: Place | undefined;
}

/** What a record's schema would leave out without a word, as if it had not been sent. @throws validation_failed */
function refuseLeftOut(body: unknown): void {
  const left: { value: unknown; place: Place | undefined }[] = [{ value: body, place: undefined }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, place } = next;
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, item] of Object.entries(value)) {
      const here = { key, within: place };
      if (key === '__proto__') throw invalid({ path: pathOf(here), message: 'is no possible name' });
      if (typeof item === 'object') left.push({ value: item, place: here });
    }
  }
}

function pathOf(place: Place): string {
  const keys: string[] = [];
  for (let at: Place | undefined = place; at !== undefined; at = at.within) keys.push(at.key);
  return keys.toReversed().join('.');
}

/** @throws validation_failed that names every field that is wrong. */
export function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalid(...fieldErrors(result.error.issues).slice(0, errorsMax));
}

export function fieldErrors(issues: readonly z.core.$ZodIssue[]): FieldError[] {
  return issues.flatMap((issue): FieldError[] => {
    const path = issue.path.map(String);
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => ({
          path: [...path, key].join('.'),
          message: 'is not a field of this resource',
        }));
      case 'invalid_key':
        return [{ path: path.join('.'), message: issue.issues[0]?.message ?? issue.message }];
      default:
        return [{ path: path.join('.'), message: issue.message }];
    }
  });
}
