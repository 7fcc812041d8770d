// One message as its stream holds it.

export interface StreamMessage {
  subject: string;
  sequence: number;
  data: Uint8Array;
}

/** It can never be stored; the message says why. */
export class UnstorableMessage extends Error {}
