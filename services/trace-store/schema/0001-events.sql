-- Every event, as it was published, for good. One row per event; nothing here is ever updated.
--
-- Order: history is read by (session, epoch, sequence), so that is the sorting key and a page costs a page. A batch that was
-- inserted twice (its answer was lost) has the same (epoch, sequence) and collapses; the natural key (session, producer, number)
-- is kept unique by the ingest, which drops what is at or below a producer's stored mark.
-- Partition: the server's own ingest time, one value per batch, so that a batch is one atomic block.
-- message: the protobuf Event without output bytes; body: those bytes. Together they are the published message.
CREATE TABLE IF NOT EXISTS events_v1 (
  organization_id LowCardinality(String),
  project_id LowCardinality(String),
  session_id String,
  partition UInt16,
  epoch UInt64 CODEC(Delta, ZSTD(1)),
  sequence UInt64 CODEC(Delta, ZSTD(1)),
  producer String CODEC(ZSTD(1)),
  number UInt64 CODEC(Delta, ZSTD(1)),
  event_id String CODEC(ZSTD(1)),
  type LowCardinality(String),
  time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  turn_id String,
  command_id String CODEC(ZSTD(1)),
  actor_kind LowCardinality(String),
  actor_id LowCardinality(String),
  generation UInt32,
  data String CODEC(ZSTD(1)),
  stream LowCardinality(String),
  `offset` UInt64 CODEC(Delta, ZSTD(1)),
  position UInt64 CODEC(Delta, ZSTD(1)),
  size UInt32,
  body_base64 String EPHEMERAL,
  body String DEFAULT base64Decode(body_base64) CODEC(ZSTD(1)),
  message_base64 String EPHEMERAL,
  message String DEFAULT base64Decode(message_base64) CODEC(ZSTD(1)),
  ingested_at DateTime64(3, 'UTC'),
  INDEX producer_index producer TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX type_index type TYPE set(64) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (organization_id, session_id, epoch, sequence)
SETTINGS index_granularity_bytes = 4194304, ttl_only_drop_parts = 1;
