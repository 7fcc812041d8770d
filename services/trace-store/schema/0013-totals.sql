-- What the events of a session come to, and those of a day. Counted again from the events (totals/), never added up: the row with the
-- highest version is how it is, one without events is of what is no more.
CREATE TABLE IF NOT EXISTS session_totals_v1 (
  organization_id LowCardinality(String),
  session_id String,
  project_id LowCardinality(String),
  task_id LowCardinality(String),
  trial_id LowCardinality(String),
  events UInt64,
  turns UInt64,
  commands UInt64,
  commands_failed UInt64,
  output_bytes UInt64,
  files_read UInt64,
  additions UInt64,
  deletions UInt64,
  input_tokens UInt64,
  output_tokens UInt64,
  cached_input_tokens UInt64,
  cost_usd Float64,
  first_event_at DateTime64(3, 'UTC'),
  last_event_at DateTime64(3, 'UTC'),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (organization_id, session_id);
-- day: of the events' own times, in UTC. model: of calls of models.
CREATE TABLE IF NOT EXISTS daily_totals_v1 (
  organization_id LowCardinality(String),
  day Date32,
  project_id LowCardinality(String),
  type LowCardinality(String),
  model LowCardinality(String),
  events UInt64,
  failed UInt64,
  bytes UInt64,
  duration_ms UInt64,
  additions UInt64,
  deletions UInt64,
  input_tokens UInt64,
  output_tokens UInt64,
  cached_input_tokens UInt64,
  cost_usd Float64,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (organization_id, day, project_id, type, model);
-- Up to where the events of each partition are in both.
CREATE TABLE IF NOT EXISTS totals_positions_v1 (
  partition UInt16,
  epoch UInt64,
  sequence UInt64,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY partition;
