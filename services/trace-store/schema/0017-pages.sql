-- How much of a part is read to find what stands on a page.
--
-- Where the first columns of a key differ at nearly each of its marks the engine would leave its last columns away: of a long session among
-- short ones each page then read the key of all of it.
ALTER TABLE events_v1 MODIFY SETTING primary_key_ratio_of_unique_prefix_values_to_skip_suffix_columns = 1;
-- Output is decompressed by the granule, of which a page needs a little: so there are four where there was one. It cannot be changed of a
-- table, so this is another one with the same parts (they are linked, not copied), which have larger granules until they are merged.
DROP TABLE IF EXISTS command_output_v2 SETTINGS max_table_size_to_drop = 0;
CREATE TABLE command_output_v2 AS command_output_v1
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ingested_at)
ORDER BY (organization_id, session_id, command_id, position, epoch, sequence, fill)
SETTINGS index_granularity_bytes = 1048576, ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000,
  primary_key_ratio_of_unique_prefix_values_to_skip_suffix_columns = 1, min_bytes_for_wide_part = 67108864, merge_selector_base = 10,
  max_bytes_to_merge_at_max_space_in_pool = 1073741824;
ALTER TABLE command_output_v2 ATTACH PARTITION ALL FROM command_output_v1;
EXCHANGE TABLES command_output_v1 AND command_output_v2;
DROP TABLE IF EXISTS command_output_v2 SETTINGS max_table_size_to_drop = 0;
