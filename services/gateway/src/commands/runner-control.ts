// Requests to the runner that holds a session's sandbox: input, signals, cancel. They act on a command that runs.

import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { type ErrorCode, errorKinds, WorktrailError } from '@worktrail/contract/errors';
import { runnerControlSubject } from '@worktrail/contract/subjects';
import { ControlReplySchema, ControlRequestSchema } from '@worktrail/proto/runner';
import { unavailable, within } from '../deadline.ts';

export type ControlOperation = NonNullable<MessageInitShape<typeof ControlRequestSchema>['operation']>;

export interface ControlTarget {
  organizationId: string;
  sessionId: string;
  commandId: string;
}

export interface RunnerControl {
  /** Resolves once the sandbox has been told. @throws what the runner answers, or dependency_unavailable. */
  ask(runnerId: string, target: ControlTarget, operation: ControlOperation): Promise<void>;
}

/** Of a cancel that its workflow has recorded. Only the faster of two ways: that one reaches the runner by itself. */
export async function tellCanceled(
  control: RunnerControl,
  runnerId: string | null,
  target: ControlTarget,
  order: { graceSeconds: number; reason: string },
): Promise<void> {
  if (runnerId === null) return;
  await control.ask(runnerId, target, { case: 'cancelCommand', value: order }).catch(() => undefined);
}

const replyTimeoutMs = 4_000;

export function createRunnerControl(connection: NatsConnection): RunnerControl {
  return {
    async ask(runnerId, target, operation) {
      const request = create(ControlRequestSchema, { ...target, operation });
      const reply = await within('sandbox-runner', replyTimeoutMs, () =>
        connection.request(runnerControlSubject(runnerId), toBinary(ControlRequestSchema, request), {
          timeout: replyTimeoutMs,
        }),
      );
      const { errorCode, errorDetail } = fromBinary(ControlReplySchema, reply.data);
      if (errorCode === '') return;
      if (Object.hasOwn(errorKinds, errorCode)) throw new WorktrailError(errorCode as ErrorCode, errorDetail);
      throw unavailable('sandbox-runner', `${errorCode}: ${errorDetail}`);
    },
  };
}
