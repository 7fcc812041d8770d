// Messages that cannot be stored, kept with the reason: headers Worktrail-Subject, -Sequence, -Epoch, -Reason.

import type { JetStreamClient } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { deadLetterSubject } from '@worktrail/contract/subjects';
import type { StreamMessage } from './parse-event.ts';

export interface DeadLetters {
  /** Resolves once it is kept. The same message may be kept twice when the service is killed in between. */
  publish(message: StreamMessage, epoch: number, reason: string): Promise<void>;
}

/** Headers and payload together must stay below the server's payload limit. */
const payloadBytesMax = 1_000_000;
const reasonLengthMax = 500;

export function createDeadLetters(js: JetStreamClient, partition: number): DeadLetters {
  return {
    publish: async (message, epoch, reason) => {
      const header = headers();
      header.set('Worktrail-Subject', message.subject);
      header.set('Worktrail-Sequence', String(message.sequence));
      header.set('Worktrail-Epoch', String(epoch));
      header.set('Worktrail-Reason', reason.replace(/[^\x20-\x7e]/g, '?').slice(0, reasonLengthMax));
      if (message.data.length > payloadBytesMax) header.set('Worktrail-Truncated', 'true');
      await js.publish(deadLetterSubject(partition), message.data.subarray(0, payloadBytesMax), {
        headers: header,
        msgID: `${message.subject}:${epoch}:${message.sequence}`,
      });
    },
  };
}
