-- The bytes of commands' output, by command and place in it. Of such an event events_v1 has everything else; `body` there is empty.
--
-- Written before the event's own block, so that whatever an event tells of is there. Rows whose events a kill left out are taken when
-- the events come again (event-sink.ts): one row for each (command, position, stream). position: of both streams together.
-- body_text: of words, without regard to case.
CREATE TABLE IF NOT EXISTS command_output_v1 (
  organization_id LowCardinality(String),
  project_id LowCardinality(String),
  task_id LowCardinality(String),
  session_id String,
  command_id String CODEC(ZSTD(1)),
  position UInt64 CODEC(Delta, ZSTD(1)),
  stream LowCardinality(String),
  `offset` UInt64 CODEC(Delta, ZSTD(1)),
  partition UInt16,
  epoch UInt64 CODEC(Delta, ZSTD(1)),
  sequence UInt64 CODEC(Delta, ZSTD(1)),
  fill UInt64,
  time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  size UInt32,
  body String CODEC(ZSTD(1)),
  ingested_at DateTime64(3, 'UTC'),
  INDEX sequence_index sequence TYPE minmax GRANULARITY 1,
  INDEX body_text body TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(body))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (organization_id, session_id, command_id, position, epoch, sequence, fill)
SETTINGS index_granularity_bytes = 4194304, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;
-- The output of before, from its beginning where a kill cut this file short: nothing else has written here yet. It stays in events_v1 too,
-- where nobody reads it, until it goes with its events.
TRUNCATE TABLE command_output_v1;
INSERT INTO command_output_v1 (
  organization_id, project_id, task_id, session_id, command_id, position, stream, `offset`, partition, epoch, sequence, fill, time, size,
  body, ingested_at
)
SELECT organization_id, project_id, task_id, session_id, producer, position, stream, `offset`, partition, epoch, sequence, fill, time, size,
  body, ingested_at
FROM events_v1 WHERE type = 'command.output' AND size > 0
SETTINGS max_threads = 1, max_insert_threads = 1, max_block_size = 1024, min_insert_block_size_rows = 0,
  min_insert_block_size_bytes = 33554432, insert_deduplicate = 0;
