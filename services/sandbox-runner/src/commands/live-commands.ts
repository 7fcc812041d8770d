// The commands that this process follows: one follower per command, however many activities ask for it.
//
// 1. An activity that is canceled, in whatever way, lets go of the command, which goes on. Only what names a reason stops it: the
//    `cancelReason` with which its workflow asks for it again, a gateway's request, a stop of the cluster.
// 2. A follower lives until the command's end is in the history, or the process stops.

import { setTimeout as delay } from 'node:timers/promises';
import type { CommandResult } from '@worktrail/contract/commands';
import type { RunCommandInput } from '@worktrail/contract/sandbox-activities';
import type { ExecutedCommand, ExecutionControl } from './command-execution.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';

/** What an activity knows of its own attempt. */
export interface ActivityRun {
  heartbeat(): void;
  heartbeatEveryMs: number;
  /** Aborted by a cancellation of any kind. */
  signal: AbortSignal;
}

/** This attempt lets go of the command; another one finds it again. */
export class Detached extends Error {
  override readonly name = 'Detached';
}

export interface LiveCommand {
  readonly input: RunCommandInput;
  /** Its end is in the history; only its files are still being tidied away. */
  ended(): boolean;
  /** The sandbox in which it runs, once its supervisor has recorded it; undefined when that takes longer than `waitMs`. */
  sandbox(waitMs: number): Promise<OpenSandbox | undefined>;
  /** Takes effect as soon as it runs; while it waits for its turn at once. */
  cancel(options: { graceMs: number; reason: string }): void;
  /** Resolves when it is followed no more, for whatever reason. */
  readonly settled: Promise<void>;
}

export interface LiveCommands {
  run(input: RunCommandInput, activity: ActivityRun): Promise<CommandResult>;
  find(commandId: string): LiveCommand | undefined;
  /** Those that have not ended. */
  list(): LiveCommand[];
}

type Execute = (input: RunCommandInput, control: ExecutionControl) => Promise<ExecutedCommand>;
type Followed = LiveCommand & { result: Promise<CommandResult> };

/** `signal`: aborted when the process stops. */
export function createLiveCommands(execute: Execute, signal: AbortSignal): LiveCommands {
  const live = new Map<string, Followed>();

  function follow(input: RunCommandInput): Followed {
    const started = Promise.withResolvers<OpenSandbox>();
    let sandbox: OpenSandbox | undefined;
    let canceled: { graceMs: number; reason: string } | undefined;
    const cancelWished = new AbortController();
    const sendCancel = () => {
      if (sandbox && canceled) void sandbox.link.cancel(input.command.id, canceled).catch(() => undefined);
    };
    const onStarted = (running: OpenSandbox) => {
      sandbox = running;
      started.resolve(running);
      sendCancel();
    };
    const execution = execute(input, { signal, onStarted, cancelWished: cancelWished.signal });
    let ended = false;
    const result = execution.then((executed) => {
      ended = true;
      return executed.result;
    });
    const settled = execution
      .then((executed) => executed.settle(executed.result))
      .catch(nothing)
      .finally(() => live.delete(input.command.id));
    const followed: Followed = {
      input,
      result,
      settled,
      ended: () => ended,
      sandbox: (waitMs) =>
        Promise.race([started.promise, settled.then(nothing), delay(waitMs, undefined, { ref: false })]),
      cancel(options) {
        canceled = options;
        cancelWished.abort(options.reason);
        sendCancel();
      },
    };
    live.set(input.command.id, followed);
    return followed;
  }

  return {
    async run(input, activity) {
      const followed = live.get(input.command.id) ?? follow(input);
      if (input.cancelReason !== null) followed.cancel(cancelOf(input, input.cancelReason));
      const beat = setInterval(() => activity.heartbeat(), activity.heartbeatEveryMs);
      try {
        const result = await untilAborted(followed.result, activity.signal);
        if (result === 'aborted') throw new Detached('the attempt ended; the command goes on');
        return result;
      } finally {
        clearInterval(beat);
      }
    },
    find: (commandId) => live.get(commandId),
    list: () => [...live.values()].filter((followed) => !followed.ended()),
  };
}

function cancelOf({ cancelGraceSeconds }: RunCommandInput, reason: string): { graceMs: number; reason: string } {
  return { graceMs: Math.round(cancelGraceSeconds * 1000), reason };
}

function nothing(): undefined {}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | 'aborted'> {
  return new Promise((resolve, reject) => {
    const abort = () => resolve('aborted');
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
