-- Who changed what, as published by the gateway. message: the protobuf AuditRecord.
CREATE TABLE IF NOT EXISTS audit_v1 (
  organization_id LowCardinality(String),
  audit_id String,
  epoch UInt64,
  sequence UInt64,
  time DateTime64(3, 'UTC'),
  actor_kind LowCardinality(String),
  actor_id String,
  action LowCardinality(String),
  resource_id String,
  message_base64 String EPHEMERAL,
  message String DEFAULT base64Decode(message_base64) CODEC(ZSTD(1)),
  ingested_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (organization_id, audit_id);
