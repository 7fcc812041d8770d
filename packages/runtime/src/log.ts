// Logs as JSON lines on standard output. Values under names that hold secrets never appear.

import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

const secretNames = ['secret', 'password', 'token', 'authorization', 'apiKey', 'env', 'sealed', 'value'];

export function createLogger(
  options: { service: string; level: string },
  destination: DestinationStream = pino.destination({ dest: 1, sync: true }),
): Logger {
  return pino(
    {
      level: options.level,
      base: { service: options.service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    },
    destination,
  );
}
