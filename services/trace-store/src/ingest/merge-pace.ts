// While much is still to be stored, the merges of output wait: they cost nearly as much as what is stored, most of it for the text index,
// and can as well be done afterwards. Reads take a little longer meanwhile, for there are more parts.
//
// 1. There are never more parts than `partsMost` and those of one merge: beyond it they are merged first.
// 2. The setting outlives the process: the first run puts it right.

import type { ClickHouse } from '../clickhouse/store.ts';

export interface MergePaceDeps {
  clickhouse: Pick<ClickHouse, 'rows' | 'command'>;
  /** Events that are not stored yet. */
  behind: () => number;
}

const behindFrom = 20_000;
const behindUntil = 1_000;
const partsMost = 120;
const partsAgain = 40;
/** As in schema/0015: no part becomes larger, so that no merge takes minutes. */
const mergeBytesMax = 1024 ** 3;
/** Less than a block that is inserted while much is to be stored. */
const deferredBytesMax = 1024 ** 2;

export interface MergePace {
  /** @throws where ClickHouse does not take it; the next run does it. */
  run(): Promise<void>;
}

export function createMergePace({ clickhouse, behind }: MergePaceDeps): MergePace {
  let isDeferred: boolean | undefined;
  return {
    run: async () => {
      const wanted = isToDefer(isDeferred ?? false, behind(), await outputParts(clickhouse));
      if (wanted === isDeferred) return;
      const bytes = wanted ? deferredBytesMax : mergeBytesMax;
      await clickhouse.command(
        `ALTER TABLE command_output_v1 MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = ${bytes}`,
      );
      isDeferred = wanted;
    },
  };
}

export function isToDefer(isDeferred: boolean, behind: number, parts: number): boolean {
  if (isDeferred) return behind > behindUntil && parts < partsMost;
  return behind > behindFrom && parts < partsAgain;
}

async function outputParts(clickhouse: Pick<ClickHouse, 'rows'>): Promise<number> {
  const [row] = await clickhouse.rows<{ parts: string }>(
    `SELECT count() AS parts FROM system.parts
     WHERE database = currentDatabase() AND table = 'command_output_v1' AND active`,
  );
  return Number(row?.parts ?? 0);
}
