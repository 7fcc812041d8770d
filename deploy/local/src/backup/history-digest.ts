/** What a session's history comes to, up to a position: asked of the cluster that is saved and of the one that is made of it. */
import { createHash } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { EventSchema } from '@worktrail/proto/event';
import type { TraceClient } from '@worktrail/runtime/trace-client';

export interface DigestQuestion {
  organizationId: string;
  sessionId: string;
  partition: number;
  upTo: { epoch: number; sequence: number };
}

/** Of so many events at most, from the first. */
const EVENTS_MAX = 5_000;
const PAGE = 500;

export async function historyDigest(
  trace: Pick<TraceClient, 'listEvents'>,
  { organizationId, sessionId, partition, upTo }: DigestQuestion,
): Promise<{ events: number; sha256: string }> {
  const hash = createHash('sha256');
  let events = 0;
  const scope = { organizationId, sessionId, partition };
  for (let after: { epoch: bigint; sequence: bigint; fill: bigint } | undefined; ; ) {
    const page = await trace.listEvents({ scope, limit: PAGE, ...(after && { after }) });
    for (const { cursor, event } of page.events) {
      const [epoch, sequence] = [Number(cursor?.epoch), Number(cursor?.sequence)];
      const isBeyond = epoch > upTo.epoch || (epoch === upTo.epoch && sequence > upTo.sequence);
      if (isBeyond || events === EVENTS_MAX) return { events, sha256: hash.digest('hex') };
      hash.update(`${epoch}-${sequence}-${cursor?.fill}\n`).update(toBinary(EventSchema, event!));
      events += 1;
    }
    if (page.complete) return { events, sha256: hash.digest('hex') };
    after = page.next;
  }
}
