// Messages that cannot be stored, kept with the reason: headers Worktrail-Subject, -Sequence, -Epoch, -Reason.
//
// Each is kept under a subject that names its partition and its producer, so that a hole in a producer finds what made it.

import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { Cursor } from '@worktrail/contract/cursor';
import { deadLetterStream, deadLetterSubject } from '@worktrail/contract/subjects';
import type { StreamMessage } from './stream-message.ts';

export interface DeadLetters {
  /** Resolves once it is kept. The same message may be kept twice when the service is killed in between. */
  publish(message: StreamMessage, epoch: number, reason: string): Promise<void>;
  /** Where the newest one of a producer was in its stream. */
  newestOf(eventSubject: string): Promise<Cursor | undefined>;
}

/** Headers and payload together must stay below the server's payload limit. */
const payloadBytesMax = 1_000_000;
const reasonLengthMax = 500;

export function createDeadLetters(js: JetStreamClient, jsm: JetStreamManager, partition: number): DeadLetters {
  return {
    newestOf: async (eventSubject) => {
      const last_by_subj = letterSubject(partition, eventSubject);
      const letter = await jsm.streams.getMessage(deadLetterStream, { last_by_subj });
      const [epoch, sequence] = ['Epoch', 'Sequence'].map((name) => Number(letter?.header.get(`Worktrail-${name}`)));
      return letter ? { epoch: epoch!, sequence: sequence! } : undefined;
    },
    publish: async (message, epoch, reason) => {
      const header = headers();
      header.set('Worktrail-Subject', message.subject);
      header.set('Worktrail-Sequence', String(message.sequence));
      header.set('Worktrail-Epoch', String(epoch));
      header.set('Worktrail-Reason', reason.replace(/[^\x20-\x7e]/g, '?').slice(0, reasonLengthMax));
      if (message.data.length > payloadBytesMax) header.set('Worktrail-Truncated', 'true');
      await js.publish(letterSubject(partition, message.subject), message.data.subarray(0, payloadBytesMax), {
        headers: header,
        msgID: `${message.subject}:${epoch}:${message.sequence}`,
      });
    },
  };
}

/** `worktrail.dead.<partition>.<organization>.<session>.<producer>`, as in the message's own subject. */
function letterSubject(partition: number, eventSubject: string): string {
  return [deadLetterSubject(partition), ...eventSubject.split('.').slice(3)].join('.');
}
