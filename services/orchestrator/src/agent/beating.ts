// An activity that says that it lives, which is also how it hears of a cancel.

import { Context } from '@temporalio/activity';

const beatMs = 500;

/** `attempt`: from 1. */
export function beating<Input, Output>(
  work: (input: Input, attempt: number, signal: AbortSignal) => Promise<Output>,
): (input: Input) => Promise<Output> {
  return async (input) => {
    const context = Context.current();
    const timer = setInterval(() => context.heartbeat(), beatMs);
    try {
      return await work(input, context.info.attempt, context.cancellationSignal);
    } finally {
      clearInterval(timer);
    }
  };
}
