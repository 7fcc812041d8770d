// Control lines for a supervisor, written into its FIFO.
//
// Promises:
// 1. A line arrives whole or not at all: one write of at most `controlLineBytesMax` bytes, begun by a newline that ends what a broken
//    writer may have left.
// 2. Nobody reading the FIFO is `supervisor_unreachable` at once. The FIFO is opened for each line: held open, it would keep lines that a
//    dead supervisor never read for the next one.

import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const controlLineBytesMax = 4096;
const cancelReasonBytesMax = 200;
const fullRetries = 100;
const fullRetryMs = 20;

export type SupervisorErrorCode =
  /** Nobody reads the FIFO: the container is not running, or not yet. Trying again can help. */
  | 'supervisor_unreachable'
  /** It is there and does not take requests (FIFO full, or no journal in time). Trying again can help. */
  | 'supervisor_unresponsive'
  /** The call itself is wrong. Trying again cannot help. */
  | 'supervisor_request_invalid';

export class SupervisorError extends Error {
  override readonly name = 'SupervisorError';
  readonly code: SupervisorErrorCode;
  readonly retryable: boolean;
  constructor(code: SupervisorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryable = code !== 'supervisor_request_invalid';
  }
}

/** What carries a line to the supervisor: the FIFO, or `supervisor ctl` through `docker exec`. */
export type SendControlLine = (line: string) => Promise<void>;

export const controlLines = {
  start: (id: string) => `start ${id}`,
  signal: (id: string, signalNumber: number) => `signal ${id} ${signalNumber}`,
  cancel: (id: string, graceMs: number, reason: string) => `cancel ${id} ${graceMs} ${cleanReason(reason)}`,
  ack: (id: string, position: number) => `ack ${id} ${position}`,
  stdin: (id: string, lengthTotal: number, close: boolean) => `stdin ${id} ${lengthTotal}${close ? ' close' : ''}`,
  status: () => 'status',
};

/** One line of printable text, cut at a character's boundary. */
function cleanReason(reason: string): string {
  const line = reason.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  const cut = Buffer.from(line, 'utf8').subarray(0, cancelReasonBytesMax).toString('utf8');
  return cut.replace(/\uFFFD+$/u, '') || 'canceled';
}

/** Writes lines into `<directory>/control`, in the order of the calls. */
export function createFifoSender(directory: string): SendControlLine {
  const path = join(directory, 'control');
  return async (line) => {
    const bytes = Buffer.from(`\n${line}\n`, 'utf8');
    if (bytes.length > controlLineBytesMax) {
      throw new SupervisorError('supervisor_request_invalid', `a control line of ${bytes.length} bytes is too long`);
    }
    for (let attempt = 0; attempt < fullRetries; attempt += 1) {
      if (writeWhole(path, bytes)) return;
      await delay(fullRetryMs);
    }
    throw new SupervisorError('supervisor_unresponsive', `the supervisor does not read ${path}`);
  };
}

/** False when the FIFO is full. Synchronous: some microseconds, and calls keep their order. */
function writeWhole(path: string, bytes: Buffer): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    throw new SupervisorError('supervisor_unreachable', `no supervisor reads ${path}`, { cause: error });
  }
  try {
    if (!fstatSync(fd).isFIFO()) throw new SupervisorError('supervisor_unreachable', `${path} is not a FIFO`);
    writeSync(fd, bytes);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
    throw new SupervisorError('supervisor_unreachable', `no supervisor reads ${path}`, { cause: error });
  } finally {
    closeSync(fd);
  }
}
