-- What a merge of output holds in memory. Where rows may be dropped by merging them, the index of words is built anew from all their text, and
-- every word that was not there before is held: output of words that never come again could not be merged at all. A row of output is stored
-- once (event-sink.ts), so nothing has to be dropped, and the indexes of the parts are merged as they stand. No more than sixteen parts at a
-- time: each is read through buffers of its own.
DROP TABLE IF EXISTS command_output_v2 SETTINGS max_table_size_to_drop = 0;
CREATE TABLE command_output_v2 AS command_output_v1
ENGINE = MergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (organization_id, session_id, command_id, position, epoch, sequence, fill)
SETTINGS index_granularity_bytes = 1048576, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000,
  primary_key_ratio_of_unique_prefix_values_to_skip_suffix_columns = 1, min_bytes_for_wide_part = 67108864, merge_selector_base = 10,
  max_bytes_to_merge_at_max_space_in_pool = 1073741824, max_parts_to_merge_at_once = 16;
ALTER TABLE command_output_v2 ATTACH PARTITION ALL FROM command_output_v1;
EXCHANGE TABLES command_output_v1 AND command_output_v2;
DROP TABLE IF EXISTS command_output_v2 SETTINGS max_table_size_to_drop = 0;
ALTER TABLE events_v1 MODIFY SETTING max_parts_to_merge_at_once = 16;
-- Rows that are only marked as deleted are still counted by what reports read (retention/expire.ts deletes them for good). In the background.
ALTER TABLE events_v1 APPLY DELETED MASK;
