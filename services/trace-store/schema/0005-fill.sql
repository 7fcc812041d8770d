-- What stands where events were missing has a place of its own: behind `sequence`, before the next one, ordered by `fill`.
-- 0 for every event that came from the stream. `fill` is the number of the event in its producer.
ALTER TABLE events_v1
  ADD COLUMN IF NOT EXISTS fill UInt64 AFTER sequence,
  MODIFY ORDER BY (organization_id, session_id, epoch, sequence, fill),
  ADD INDEX IF NOT EXISTS fill_index fill TYPE minmax GRANULARITY 1;
