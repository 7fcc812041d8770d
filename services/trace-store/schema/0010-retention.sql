-- What is left of sessions whose events are not kept any more: one row for each producer, so that nobody begins it again, that a stream's
-- position is not lost, and that a reader is told from where on there is something. Written before the events go.
CREATE TABLE IF NOT EXISTS retained_marks_v1 (
  organization_id LowCardinality(String),
  session_id String,
  producer String CODEC(ZSTD(1)),
  partition UInt16,
  number UInt64,
  epoch UInt64,
  sequence UInt64,
  fill UInt64
)
ENGINE = ReplacingMergeTree(number)
ORDER BY (organization_id, session_id, producer);
-- When each kind was last looked through, and how much went then. kind: events, output, audit.
CREATE TABLE IF NOT EXISTS retention_runs_v1 (
  organization_id LowCardinality(String),
  kind LowCardinality(String),
  time DateTime64(3, 'UTC'),
  cutoff DateTime64(3, 'UTC'),
  removed UInt64
)
ENGINE = ReplacingMergeTree(time)
ORDER BY (organization_id, kind);
