-- One row per turn for lists and questions: its message, start and end laid together. Every aggregate is idempotent, as in commands_v1.
CREATE TABLE IF NOT EXISTS turns_v1 (
  organization_id LowCardinality(String),
  session_id String,
  turn_id String,
  project_id SimpleAggregateFunction(max, String),
  text SimpleAggregateFunction(max, Nullable(String)),
  agent SimpleAggregateFunction(max, Nullable(String)),
  queued_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
  started_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
  ended_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
  outcome SimpleAggregateFunction(max, Nullable(String)),
  reason SimpleAggregateFunction(max, Nullable(String)),
  steps SimpleAggregateFunction(max, Nullable(UInt32)),
  input_tokens SimpleAggregateFunction(max, Nullable(UInt64)),
  output_tokens SimpleAggregateFunction(max, Nullable(UInt64)),
  cached_input_tokens SimpleAggregateFunction(max, Nullable(UInt64)),
  cost_usd SimpleAggregateFunction(max, Nullable(Float64))
)
ENGINE = AggregatingMergeTree
ORDER BY (organization_id, session_id, turn_id);
