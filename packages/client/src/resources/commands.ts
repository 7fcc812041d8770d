// Commands of a session: run, wait, feed, stop, and read their output.

import type { Command, CreateCommand } from '../gen/api-schemas.ts';
import type { FollowOptions } from '../event-stream.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf, type WaitOptions } from './call.ts';
import type { Events } from './events.ts';

export interface OutputQuery {
  /** `both`: in the order it was written. Default: both. */
  stream?: 'stdout' | 'stderr' | 'both';
  offset?: number;
  /** Bytes at most. */
  limit?: number;
}

export interface OutputRange {
  bytes: Uint8Array;
  nextOffset: number;
  /** True when the command has ended and nothing follows. */
  complete: boolean;
  /** Ranges that were not kept, as the server names them. */
  gaps: string | null;
}

export function createCommands(transport: Transport, events: Events) {
  const list = (sessionId: string, query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Command>>('GET', pathOf`/v1/sessions/${sessionId}/commands`, {
      query: { ...query },
      ...options,
    });

  const get = (sessionId: string, commandId: string, options?: CallOptions) =>
    transport.json<Command>('GET', pathOf`/v1/sessions/${sessionId}/commands/${commandId}`, options);

  async function output(
    sessionId: string,
    commandId: string,
    query: OutputQuery = {},
    options?: CallOptions,
  ): Promise<OutputRange> {
    const path = pathOf`/v1/sessions/${sessionId}/commands/${commandId}/output`;
    const headers = { accept: 'application/octet-stream' };
    const answer = await transport.bytes(path, { ...options, headers, query: { ...query } });
    const next = Number(answer.headers.get('x-next-offset') ?? Number.NaN);
    return {
      bytes: answer.bytes,
      nextOffset: Number.isSafeInteger(next) ? next : (query.offset ?? 0) + answer.bytes.length,
      complete: answer.headers.get('x-output-complete') === 'true',
      gaps: answer.headers.get('x-gaps'),
    };
  }

  /** What was kept from `offset` to the present end, range after range. It does not wait for more. */
  async function* outputRanges(sessionId: string, commandId: string, query: OutputQuery = {}, options?: CallOptions) {
    let offset = query.offset ?? 0;
    for (;;) {
      const range = await output(sessionId, commandId, { ...query, offset }, options);
      if (range.bytes.length > 0 || range.gaps) yield range;
      if (range.complete || range.nextOffset <= offset) return;
      offset = range.nextOffset;
    }
  }

  return {
    /**
     * Starts a command. With `waitSeconds` it answers when the command has ended, with the tail of its output, or when
     * the wait is over; `state` tells which.
     */
    run: (sessionId: string, body: CreateCommand, options?: WaitOptions) =>
      transport.json<Command>('POST', pathOf`/v1/sessions/${sessionId}/commands`, { body, ...options }),
    list,
    all: (sessionId: string, options?: CallOptions) => allItems((cursor) => list(sessionId, { cursor }, options)),
    get,
    /** Waits for the command's end, across lost connections. */
    waitForEnd: async (sessionId: string, commandId: string, options: FollowOptions = {}): Promise<Command> => {
      const command = await get(sessionId, commandId, { signal: options.signal });
      if (command.state === 'ended') return command;
      for await (const event of events.follow(sessionId, { ...options, types: ['command.ended'] })) {
        if (event.commandId === commandId) break;
      }
      return get(sessionId, commandId, { signal: options.signal });
    },
    output,
    outputRanges,
    writeStdin: (
      sessionId: string,
      commandId: string,
      bytes: Uint8Array<ArrayBuffer>,
      options: CallOptions & { close?: boolean } = {},
    ) =>
      transport.send('POST', pathOf`/v1/sessions/${sessionId}/commands/${commandId}/stdin`, {
        bytes,
        query: { close: options.close ? true : undefined },
        signal: options.signal,
        idempotencyKey: options.idempotencyKey,
      }),
    /** @param signal "INT", "TERM", "KILL", … */
    signal: (sessionId: string, commandId: string, signal: string, options?: CallOptions) =>
      transport.send('POST', pathOf`/v1/sessions/${sessionId}/commands/${commandId}/signal`, {
        body: { signal },
        ...options,
      }),
    cancel: (sessionId: string, commandId: string, options?: CallOptions) =>
      transport.send('POST', pathOf`/v1/sessions/${sessionId}/commands/${commandId}/cancel`, options),
  };
}
