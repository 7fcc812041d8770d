-- What is asked of events often, each in a column of its own. Written by the ingest (typed-columns.ts); events of before have the same values
-- by the expressions here, from `data`. Task and trial are those of the session (session-tasks.ts); of before only session.created has them.
--
-- Tokens and cost stand in `usage` alone, which is told of each call of a model once: their sum over any events is right.
-- by_type: the narrow columns again, in the order in which reports read them.
-- A block that is inserted twice, because its answer was lost, is stored once: reports need not collapse rows.
ALTER TABLE events_v1
  ADD COLUMN IF NOT EXISTS task_id LowCardinality(String) DEFAULT if(type = 'session.created', JSONExtractString(data, 'taskId'), ''),
  ADD COLUMN IF NOT EXISTS trial_id LowCardinality(String) DEFAULT if(type = 'session.created', JSONExtractString(data, 'trialId'), ''),
  ADD COLUMN IF NOT EXISTS outcome LowCardinality(String) DEFAULT multiIf(
    type = 'tool.ended', if(JSONExtractBool(data, 'failed'), 'failed', 'completed'),
    type = 'permission.answered', JSONExtractString(data, 'decision'),
    type IN ('command.ended', 'turn.ended', 'session.updated', 'proposal.checked'), JSONExtractString(data, 'outcome'),
    ''),
  ADD COLUMN IF NOT EXISTS exit_code Nullable(Int32) DEFAULT
    if(type IN ('command.ended', 'proposal.checked'), JSONExtract(data, 'exitCode', 'Nullable(Int32)'), NULL),
  ADD COLUMN IF NOT EXISTS duration_ms Nullable(UInt64) DEFAULT if(type = 'command.ended', accurateCastOrNull(dateDiff('millisecond',
    parseDateTime64BestEffortOrNull(JSONExtractString(data, 'startedAt'), 3, 'UTC'),
    parseDateTime64BestEffortOrNull(JSONExtractString(data, 'endedAt'), 3, 'UTC')), 'UInt64'), NULL),
  ADD COLUMN IF NOT EXISTS bytes UInt64 DEFAULT multiIf(
    type = 'command.ended', JSONExtractUInt(data, 'stdoutBytes') + JSONExtractUInt(data, 'stderrBytes'),
    type = 'file.read', JSONExtractUInt(data, 'length'),
    size) CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS input_tokens UInt64 DEFAULT if(type = 'usage', JSONExtractUInt(data, 'inputTokens'), 0),
  ADD COLUMN IF NOT EXISTS output_tokens UInt64 DEFAULT if(type = 'usage', JSONExtractUInt(data, 'outputTokens'), 0),
  ADD COLUMN IF NOT EXISTS cached_input_tokens UInt64 DEFAULT if(type = 'usage', JSONExtractUInt(data, 'cachedInputTokens'), 0),
  ADD COLUMN IF NOT EXISTS cost_usd Float64 DEFAULT if(type = 'usage', JSONExtractFloat(data, 'costUsd'), 0),
  ADD COLUMN IF NOT EXISTS model LowCardinality(String) DEFAULT multiIf(
    type = 'usage', JSONExtractString(data, 'model'),
    type IN ('message.agent', 'message.summary'), JSONExtractString(data, 'usage', 'model'),
    ''),
  ADD COLUMN IF NOT EXISTS tool LowCardinality(String) DEFAULT if(type = 'tool.started', JSONExtractString(data, 'tool'), ''),
  ADD COLUMN IF NOT EXISTS path String DEFAULT multiIf(
    type = 'file.read', JSONExtractString(data, 'path'),
    type = 'files.changed' AND JSONLength(data, 'files') = 1, JSONExtractString(data, 'files', 1, 'path'),
    '') CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS file_status LowCardinality(String) DEFAULT
    if(type = 'files.changed' AND JSONLength(data, 'files') = 1, JSONExtractString(data, 'files', 1, 'status'), ''),
  ADD COLUMN IF NOT EXISTS additions UInt64 DEFAULT if(type = 'files.changed',
    arraySum(JSONExtract(data, 'files', 'Array(Tuple(additions UInt64))').additions), 0),
  ADD COLUMN IF NOT EXISTS deletions UInt64 DEFAULT if(type = 'files.changed',
    arraySum(JSONExtract(data, 'files', 'Array(Tuple(deletions UInt64))').deletions), 0),
  ADD COLUMN IF NOT EXISTS text String DEFAULT multiIf(
    type IN ('message.user', 'message.agent', 'message.summary', 'reasoning'), JSONExtractString(data, 'text'),
    type = 'command.queued', JSONExtractString(data, 'command'),
    '') CODEC(ZSTD(1));
ALTER TABLE events_v1 MODIFY SETTING
  deduplicate_merge_projection_mode = 'rebuild',
  lightweight_mutation_projection_mode = 'rebuild',
  non_replicated_deduplication_window = 1000;
ALTER TABLE events_v1 ADD PROJECTION IF NOT EXISTS by_type (
  SELECT organization_id, project_id, task_id, trial_id, session_id, type, time, turn_id, command_id, actor_kind, actor_id,
    outcome, exit_code, duration_ms, bytes, input_tokens, output_tokens, cached_input_tokens, cost_usd, model, tool, path, file_status, additions, deletions, ingested_at
  ORDER BY organization_id, type, time
);
-- Of the parts of before; the engine does it in the background, and goes on with it after a restart.
ALTER TABLE events_v1 MATERIALIZE PROJECTION by_type;
