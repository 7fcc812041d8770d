// In which formats rows are answered, and how each is put together.
//
// What the engine writes is bounded in its own memory where it writes it row by row into a column (`formatRow`): a value that is repeated, or is
// of a dictionary, counts as often as it is written. What it can only write as a document is made of full columns, of a bounded size: text in
// memory, columns in a file.

export type QueryFormat =
  /** Each row by itself; `head` is the format of which an answer without rows is what comes before them. */
  | { kind: 'rows'; row: string; head?: string }
  /** Pieces of columns, one after the other. */
  | { kind: 'blocks' }
  /** One document, made in memory: how long its text is, is not known of its columns. */
  | { kind: 'document' }
  /** One document of columns, made in a file. */
  | { kind: 'file'; settings: readonly string[] };

const rows = (row: string, head?: string): QueryFormat => ({ kind: 'rows', row, ...(head && { head }) });
const document: QueryFormat = { kind: 'document' };
/** Snappy and none are read by every reader. Parquet is made of parts that are small in memory. */
const parquet: QueryFormat = {
  kind: 'file',
  settings: [
    "output_format_parquet_compression_method = 'snappy'",
    'output_format_parquet_row_group_size = 100000',
    `output_format_parquet_row_group_size_bytes = ${16 * 1024 * 1024}`,
  ],
};
const arrow: QueryFormat = { kind: 'file', settings: ["output_format_arrow_compression_method = 'none'"] };

const formats: Readonly<Record<string, QueryFormat>> = {
  JSONEachRow: rows('JSONEachRow'),
  JSONStringsEachRow: rows('JSONStringsEachRow'),
  JSONCompactEachRow: rows('JSONCompactEachRow'),
  JSONCompactEachRowWithNames: rows('JSONCompactEachRow', 'JSONCompactEachRowWithNames'),
  JSONCompactEachRowWithNamesAndTypes: rows('JSONCompactEachRow', 'JSONCompactEachRowWithNamesAndTypes'),
  JSONCompactStringsEachRow: rows('JSONCompactStringsEachRow'),
  JSONCompactStringsEachRowWithNames: rows('JSONCompactStringsEachRow', 'JSONCompactStringsEachRowWithNames'),
  JSONCompactStringsEachRowWithNamesAndTypes: rows(
    'JSONCompactStringsEachRow',
    'JSONCompactStringsEachRowWithNamesAndTypes',
  ),
  CSV: rows('CSV'),
  CSVWithNames: rows('CSV', 'CSVWithNames'),
  CSVWithNamesAndTypes: rows('CSV', 'CSVWithNamesAndTypes'),
  TabSeparated: rows('TabSeparated'),
  TabSeparatedRaw: rows('TabSeparatedRaw'),
  TabSeparatedWithNames: rows('TabSeparated', 'TabSeparatedWithNames'),
  TabSeparatedWithNamesAndTypes: rows('TabSeparated', 'TabSeparatedWithNamesAndTypes'),
  RowBinary: rows('RowBinary'),
  RowBinaryWithNames: rows('RowBinary', 'RowBinaryWithNames'),
  RowBinaryWithNamesAndTypes: rows('RowBinary', 'RowBinaryWithNamesAndTypes'),
  Native: { kind: 'blocks' },
  JSON: document,
  JSONStrings: document,
  JSONCompact: document,
  JSONCompactStrings: document,
  JSONColumnsWithMetadata: document,
  Parquet: parquet,
  Arrow: arrow,
  ArrowStream: arrow,
};

const aliases: Readonly<Record<string, string>> = {
  TSV: 'TabSeparated',
  TSVRaw: 'TabSeparatedRaw',
  TSVWithNames: 'TabSeparatedWithNames',
  TSVWithNamesAndTypes: 'TabSeparatedWithNamesAndTypes',
};

const byLowerCase = new Map(
  [...Object.keys(formats).map((name) => [name, name]), ...Object.entries(aliases)].map(([name, format]) => [
    name!.toLowerCase(),
    format!,
  ]),
);

export const formatNames: readonly string[] = Object.keys(formats);

/** By any way of writing its name; undefined where it is not offered. */
export function findFormat(name: string): { name: string; format: QueryFormat } | undefined {
  const found = byLowerCase.get(name.toLowerCase());
  return found === undefined ? undefined : { name: found, format: formats[found]! };
}
