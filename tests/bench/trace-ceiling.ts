// What the engine alone can do with the same rows: encoded beforehand, inserted block by block into the same tables, nothing else at work.

import { setTimeout as delay } from 'node:timers/promises';
import { createLifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { setEmbeddedMerges } from '../../services/trace-store/src/clickhouse/embedded-merges.ts';
import { openClickHouse } from '../../services/trace-store/src/clickhouse/store.ts';
import {
  eventColumns,
  eventRow,
  outputColumns,
  type StoredRow,
} from '../../services/trace-store/src/ingest/event-row.ts';
import { parseEvent } from '../../services/trace-store/src/ingest/parse-event.ts';
import { columnNames, createRowBuffer } from '../../services/trace-store/src/clickhouse/row-binary.ts';
import { applySchema } from '../../services/trace-store/src/clickhouse/schema.ts';
import { noTask } from '../../services/trace-store/src/ingest/sources.ts';
import { timed } from './bench-cluster.ts';
import { type Quantiles, quantiles } from './quantiles.ts';
import type { TraceData } from './trace-data.ts';

const blockRows = 20_000;
const rounds = 20;
const triesMax = 120;

export interface Ceiling {
  eventsPerSecond: number;
  outputPerSecond: number;
  cpuMicros: number;
  answers: ReadonlyMap<string, Quantiles>;
}

export async function measureCeiling(directory: string, data: TraceData, events: number): Promise<Ceiling> {
  const lifetime = createLifetime(createLogger({ service: 'bench', level: 'silent' }));
  try {
    const clickhouse = await openClickHouse({ kind: 'embedded', path: directory }, lifetime);
    await applySchema(clickhouse);
    await setEmbeddedMerges(clickhouse);
    let [seconds, cpuMs, outputBytes] = [0, 0, 0];
    for (let count = 0; count < events; count += blockRows) {
      const block = makeBlock(data, count, Math.min(blockRows, events - count));
      outputBytes += block.outputBytes;
      const before = process.cpuUsage();
      const ms = await timed(async () => {
        await store(() => clickhouse.insertBinary('command_output_v1', block.outputs, `output-${count}`));
        await store(() => clickhouse.insertBinary('events_v1', block.events, `events-${count}`));
      });
      const used = process.cpuUsage(before);
      seconds += ms / 1_000;
      cpuMs += (used.user + used.system) / 1_000;
    }
    const { organizationId, longSession } = data;
    const statements = {
      'a page of the long session': `SELECT sequence, message FROM events_v1 WHERE organization_id = '${organizationId}'
        AND session_id = '${longSession.sessionId}' AND sequence >= ${events / 2} ORDER BY epoch, sequence, fill LIMIT 200`,
      'outcomes of commands': `SELECT outcome, count() FROM events_v1 WHERE organization_id = '${organizationId}'
        AND type = 'command.ended' GROUP BY outcome`,
      'a word in output': `SELECT command_id, position FROM command_output_v1 WHERE organization_id = '${organizationId}'
        AND hasToken(body, 'const') ORDER BY time DESC LIMIT 20 SETTINGS use_top_k_dynamic_filtering = 0`,
    };
    const answers = new Map<string, Quantiles>();
    for (const [name, statement] of Object.entries(statements)) {
      const ms: number[] = [];
      for (let round = 0; round < rounds; round++) ms.push(await timed(() => clickhouse.bytes(statement)));
      answers.set(name, quantiles(ms));
    }
    return {
      ...{ eventsPerSecond: events / seconds, outputPerSecond: outputBytes / seconds },
      ...{ cpuMicros: (cpuMs * 1_000) / events, answers },
    };
  } finally {
    await lifetime.close();
  }
}

/** As the service does it: beside large merges a block may meet the engine's own bound of memory. The time it waits is part of the rate. */
async function store(insert: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await insert();
    } catch (error) {
      if (tries === triesMax || !String(error).includes('MEMORY_LIMIT_EXCEEDED')) throw error;
      await delay(500);
    }
  }
}

function makeBlock(data: TraceData, from: number, count: number) {
  const origin = { partition: 0, epoch: 1, ingestedAt: new Date() };
  const events = createRowBuffer(eventColumns, count * 1_024);
  const outputs = createRowBuffer(outputColumns, count * 2_048);
  let outputBytes = 0;
  for (let index = 0; index < count; index++) {
    const made = data.next();
    outputBytes += made.outputBytes;
    const parsed = parseEvent({ subject: made.subject, sequence: from + index + 1, data: made.data });
    const row: StoredRow = { ...eventRow(parsed, origin), task: noTask };
    events.add(row);
    if (made.outputBytes > 0) outputs.add(row);
  }
  return {
    outputBytes,
    events: { columns: columnNames(eventColumns), rows: events.rows() },
    outputs: { columns: columnNames(outputColumns), rows: outputs.rows() },
  };
}
