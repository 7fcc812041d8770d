// What a run of a workflow has begun and not finished, by name. A new run begins with nothing.

import { CancellationScope, isCancellation } from '@temporalio/workflow';

export interface Background {
  has(name: string): boolean;
  /** Begins something; it is under way until `work` ends. To be stopped is no failure; any other failure is a mistake in the code. */
  begin(name: string, work: () => Promise<void>): void;
  /** Asks it to stop; it stays under way until it has. */
  interrupt(name: string): void;
  /** Stops it and forgets it at once. */
  abandon(name: string): void;
}

export function createBackground(): Background {
  const scopes = new Map<string, CancellationScope>();
  return {
    has: (name) => scopes.has(name),
    begin: (name, work) => {
      const scope = new CancellationScope();
      scopes.set(name, scope);
      const end = (error?: unknown) => {
        if (scopes.get(name) === scope) scopes.delete(name);
        if (error !== undefined && !isCancellation(error)) throw error;
      };
      // Each promise in a workflow costs a stack trace: no more of them than needed.
      void scope.run(work).then(() => end(), end);
    },
    interrupt: (name) => scopes.get(name)?.cancel(),
    abandon: (name) => {
      const scope = scopes.get(name);
      scopes.delete(name);
      scope?.cancel();
    },
  };
}
