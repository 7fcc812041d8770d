-- How blocks of events are laid out. A part as large as an inserted block is kept in one file: a file for each of eighty columns costs more
-- than the rows in them. Parts are merged ten at a time, not five, so that a row is written again half as often.
ALTER TABLE events_v1 MODIFY SETTING min_bytes_for_wide_part = 67108864, merge_selector_base = 10;
ALTER TABLE command_output_v1 MODIFY SETTING min_bytes_for_wide_part = 67108864, merge_selector_base = 10;
