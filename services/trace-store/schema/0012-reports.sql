-- What further reports ask of events: which proposal, permission or use of a tool an event is about, why a session was resumed, by which
-- strategy an attempt was made, and each file of a change. Made from `data` when an event is stored, and of events of before when they are read.
--
-- files: of changes that a checkpoint tells, which are all; what tools and the API tell of single files before it is told there again.
-- The projection of 0007 again, with these.
ALTER TABLE events_v1
  ADD COLUMN IF NOT EXISTS subject_id String DEFAULT multiIf(
    type = 'command.output', '',
    startsWith(type, 'proposal.'), JSONExtractString(data, 'proposalId'),
    startsWith(type, 'permission.'), JSONExtractString(data, 'permissionId'),
    startsWith(type, 'tool.'), JSONExtractString(data, 'toolCallId'),
    '') CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS reason LowCardinality(String) DEFAULT if(type = 'session.resuming', JSONExtractString(data, 'reason'), ''),
  ADD COLUMN IF NOT EXISTS strategy LowCardinality(String) DEFAULT if(type = 'trial.verdict', JSONExtractString(data, 'strategy'), ''),
  ADD COLUMN IF NOT EXISTS `files.path` Array(String) DEFAULT if(type = 'files.changed' AND JSONExtractString(data, 'source') = 'checkpoint',
    JSONExtract(data, 'files', 'Array(Tuple(path String))').path, []) CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS `files.status` Array(LowCardinality(String)) DEFAULT if(type = 'files.changed' AND JSONExtractString(data, 'source') = 'checkpoint',
    JSONExtract(data, 'files', 'Array(Tuple(status String))').status, []),
  ADD COLUMN IF NOT EXISTS `files.additions` Array(UInt64) DEFAULT if(type = 'files.changed' AND JSONExtractString(data, 'source') = 'checkpoint',
    JSONExtract(data, 'files', 'Array(Tuple(additions UInt64))').additions, []),
  ADD COLUMN IF NOT EXISTS `files.deletions` Array(UInt64) DEFAULT if(type = 'files.changed' AND JSONExtractString(data, 'source') = 'checkpoint',
    JSONExtract(data, 'files', 'Array(Tuple(deletions UInt64))').deletions, []);
ALTER TABLE events_v1 DROP PROJECTION IF EXISTS by_type;
ALTER TABLE events_v1 ADD PROJECTION IF NOT EXISTS by_type_v2 (
  SELECT organization_id, project_id, task_id, trial_id, session_id, type, time, turn_id, command_id, actor_kind, actor_id,
    outcome, exit_code, duration_ms, bytes, input_tokens, output_tokens, cached_input_tokens, cost_usd, model, tool, path, file_status,
    additions, deletions, subject_id, reason, strategy, `files.path`, `files.status`, `files.additions`, `files.deletions`, ingested_at
  ORDER BY organization_id, type, time
);
ALTER TABLE events_v1 MATERIALIZE PROJECTION by_type_v2;
