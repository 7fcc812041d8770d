// The client of the trace-store.

import { Agent } from 'node:http';
import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { TraceService } from '@worktrail/proto/trace';
import { bearerInterceptor } from './internal-auth.ts';

export type TraceClient = Client<typeof TraceService>;

const keepAliveAgent = new Agent({ keepAlive: true, maxSockets: 256 });

export function createTraceClient(url: string, token: string, timeoutMs = 5_000): TraceClient {
  return createClient(
    TraceService,
    createConnectTransport({
      baseUrl: url,
      httpVersion: '1.1',
      useBinaryFormat: true,
      // Pages of output cross a fast network or none: compressing them costs more than carrying them.
      acceptCompression: [],
      defaultTimeoutMs: timeoutMs,
      interceptors: [bearerInterceptor(token)],
      nodeOptions: { agent: keepAliveAgent },
    }),
  );
}
