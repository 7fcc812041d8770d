-- Which words messages and commands have, without regard to case; output has the same in command_output_v1.
ALTER TABLE events_v1 ADD INDEX IF NOT EXISTS text_words text TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(text));
-- Of the parts of before, in the background.
ALTER TABLE events_v1 MATERIALIZE INDEX text_words;
