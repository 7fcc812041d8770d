-- One row per command for lists and questions: its queued, started and ended events laid together. Every aggregate is idempotent:
-- the same event twice, in any order, gives the same row. Read with GROUP BY or through the `commands` view.
CREATE TABLE IF NOT EXISTS commands_v1 (
  organization_id LowCardinality(String),
  session_id String,
  command_id String,
  project_id SimpleAggregateFunction(max, String),
  command SimpleAggregateFunction(max, Nullable(String)),
  cwd SimpleAggregateFunction(max, Nullable(String)),
  origin SimpleAggregateFunction(max, Nullable(String)),
  background SimpleAggregateFunction(max, Nullable(UInt8)),
  timeout_seconds SimpleAggregateFunction(max, Nullable(UInt32)),
  queued_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
  started_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
  ended_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
  outcome SimpleAggregateFunction(max, Nullable(String)),
  reason SimpleAggregateFunction(max, Nullable(String)),
  exit_code SimpleAggregateFunction(max, Nullable(Int32)),
  signal SimpleAggregateFunction(max, Nullable(String)),
  stdout_bytes SimpleAggregateFunction(max, Nullable(UInt64)),
  stderr_bytes SimpleAggregateFunction(max, Nullable(UInt64)),
  user_cpu_micros SimpleAggregateFunction(max, Nullable(UInt64)),
  system_cpu_micros SimpleAggregateFunction(max, Nullable(UInt64)),
  max_rss_kilobytes SimpleAggregateFunction(max, Nullable(UInt64))
)
ENGINE = AggregatingMergeTree
ORDER BY (organization_id, session_id, command_id);
