// How far a webhook has come, as the trace-store says it and as it is kept.

import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { WebhookPosition } from '@worktrail/contract/webhooks';
import type { PartitionPosition } from '@worktrail/proto/trace';

export function positionMessage({ partition, epoch, sequence, fill, timeMs }: WebhookPosition) {
  const stored = { epoch: BigInt(epoch), sequence: BigInt(sequence), fill: BigInt(fill) };
  return { partition, stored, time: timestampFromMs(timeMs) };
}

export function webhookPosition({ partition, stored, time }: PartitionPosition): WebhookPosition {
  const { epoch = 0n, sequence = 0n, fill = 0n } = stored ?? {};
  const timeMs = time ? timestampDate(time).getTime() : 0;
  return { partition, epoch: Number(epoch), sequence: Number(sequence), fill: Number(fill), timeMs };
}
