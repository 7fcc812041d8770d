// What every question has in common: names and numbers checked, cursors to and from messages, the wait for ClickHouse bounded.

import { Code, ConnectError } from '@connectrpc/connect';
import { type Cursor, toCursor } from '@worktrail/contract/cursor';
import { isStorableTime, offsetMax } from '../ingest/parse-event.ts';

const listRowsMax = 1_000;
const readTimeoutMs = 12_000;
const name = /^[A-Za-z0-9_-]{1,128}$/;

export function invalid(detail: string): ConnectError {
  return new ConnectError(detail, Code.InvalidArgument);
}

export function checkName(field: string, value: string): void {
  if (!name.test(value)) throw invalid(`${field} is missing or malformed`);
}

export function bounded(given: number, byDefault: number, max: number = listRowsMax): number {
  return given === 0 ? byDefault : Math.min(given, max);
}

export function safeNumber(field: string, value: bigint): number {
  if (value > offsetMax) throw invalid(`${field} is out of range`);
  return Number(value);
}

export function storableDate(field: string, date: Date): Date {
  if (!isStorableTime(date)) throw invalid(`${field} is out of range`);
  return date;
}

interface CursorFields {
  epoch: bigint;
  sequence: bigint;
  fill: bigint;
}

export function cursorMessage({ epoch, sequence, fill }: Cursor): CursorFields {
  return { epoch: BigInt(epoch), sequence: BigInt(sequence), fill: BigInt(fill ?? 0) };
}

export function cursorOf(message: CursorFields | undefined): Cursor {
  const { epoch = 0n, sequence = 0n, fill = 0n } = message ?? {};
  return toCursor(Number(epoch), Number(sequence), Number(fill));
}

/** Bounds the wait; what ClickHouse refuses or does not answer is UNAVAILABLE to the caller. */
export async function fromClickHouse<T>(reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${readTimeoutMs} ms`)), readTimeoutMs);
  });
  try {
    return await Promise.race([reading, timeout]);
  } catch (error) {
    if (error instanceof ConnectError) throw error;
    throw new ConnectError(`ClickHouse: ${(error as Error).message}`, Code.Unavailable, undefined, undefined, error);
  } finally {
    clearTimeout(timer);
  }
}
