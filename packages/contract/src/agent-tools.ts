// The tools of the agent that act on files, or search the repository's index: what the runner is asked for. Types only.

/** Paths are relative to the work tree. Texts are UTF-8. */
export type FileToolUse =
  /** `firstLine`: from 1. */
  | { tool: 'read_file'; path: string; firstLine: number; lines: number }
  | { tool: 'list_files'; path: string }
  | { tool: 'search_text'; pattern: string; path: string; isRegex: boolean }
  | { tool: 'write_file'; path: string; content: string }
  /** `find` stands there exactly once, unless `all` are to be replaced. */
  | { tool: 'edit_file'; path: string; find: string; replace: string; all: boolean }
  /** A unified diff over any number of files. */
  | { tool: 'apply_patch'; patch: string };

/** `path`: a directory or file, or a pattern; null: everywhere. */
export type ContextToolUse =
  | { tool: 'search_context'; query: string; path: string | null; language: string | null; limit: number }
  | { tool: 'search_symbols'; query: string; path: string | null; limit: number };
