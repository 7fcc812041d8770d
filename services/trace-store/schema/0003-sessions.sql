-- One row per session for lists and questions. `state` is (epoch, sequence, name): the greatest is the latest.
-- Every aggregate is idempotent, as in commands_v1.
CREATE TABLE IF NOT EXISTS sessions_v1 (
  organization_id LowCardinality(String),
  session_id String,
  project_id SimpleAggregateFunction(max, String),
  task_id SimpleAggregateFunction(max, String),
  trial_id SimpleAggregateFunction(max, String),
  title SimpleAggregateFunction(max, String),
  branch SimpleAggregateFunction(max, String),
  base_ref SimpleAggregateFunction(max, String),
  created_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
  last_event_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
  generation SimpleAggregateFunction(max, UInt32),
  state SimpleAggregateFunction(max, Tuple(UInt64, UInt64, String)),
  failure_code SimpleAggregateFunction(max, String)
)
ENGINE = AggregatingMergeTree
ORDER BY (organization_id, session_id);
