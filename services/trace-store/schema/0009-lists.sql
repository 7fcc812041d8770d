-- What lists and reports ask of sessions beside what 0003 has. labels: as the session was made with; of sessions of before they are taken
-- from their session.created.
ALTER TABLE sessions_v1
  ADD COLUMN IF NOT EXISTS labels SimpleAggregateFunction(max, Map(String, String));
INSERT INTO sessions_v1 (organization_id, session_id, labels)
  SELECT organization_id, session_id, JSONExtract(data, 'labels', 'Map(String, String)') AS labels FROM events_v1
  WHERE type = 'session.created' AND notEmpty(labels);
-- Which sessions there are in an organization, a project, a task and a trial, a row in each, so that a page of any of these lists reads a
-- page. `list` is the id of the project, task or trial, '' for the organization. None of a row ever changes.
CREATE TABLE IF NOT EXISTS session_lists_v1 (
  organization_id LowCardinality(String),
  list String,
  session_id String,
  project_id String,
  task_id String,
  trial_id String
)
ENGINE = ReplacingMergeTree
ORDER BY (organization_id, list, session_id);
INSERT INTO session_lists_v1
  SELECT organization_id, arrayJoin(arrayDistinct(['', project_id, task_id, trial_id])) AS list, session_id, project_id, task_id, trial_id
  FROM (SELECT organization_id, session_id, max(project_id) AS project_id, max(task_id) AS task_id, max(trial_id) AS trial_id
        FROM sessions_v1 GROUP BY organization_id, session_id);
