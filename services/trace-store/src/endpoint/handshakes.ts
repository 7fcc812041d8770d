// What ClickHouse's clients ask before and around their users' questions. @clickhouse/client 1.23 and clickhouse-connect 1.12 were recorded;
// Grafana's plug-in (clickhouse-go) and the JDBC driver, as DBeaver uses it, are as their sources say. For tests.

export interface Asked {
  sql: string;
  /** Of the request: default_format, or the header X-ClickHouse-Format. */
  format?: string;
  settings?: Record<string, string>;
}

export const handshakes: Readonly<Record<string, readonly Asked[]>> = {
  'clickhouse-connect': [
    { sql: 'SELECT version(), timezone()' },
    { sql: 'SELECT name, value, readonly as readonly FROM system.settings LIMIT 10000 FORMAT Native' },
    { sql: 'SELECT 1 AS check FORMAT Native', settings: { client_protocol_version: '54405' } },
    {
      sql: 'SELECT number FROM events LIMIT 0\n FORMAT Native',
      settings: {
        date_time_input_format: 'best_effort',
        cast_string_to_dynamic_use_inference: '1',
        session_id: 'a',
        cancel_http_readonly_queries_on_client_close: '1',
        wait_end_of_query: '1',
        send_progress_in_http_headers: '1',
        http_headers_progress_interval_ms: '120000',
      },
    },
  ],
  '@clickhouse/client': [
    { sql: 'SELECT 1 AS one\nFORMAT JSONEachRow', settings: { enable_http_compression: '1' } },
    { sql: 'SELECT version() AS v\nFORMAT JSON' },
  ],
  Grafana: [
    { sql: 'SELECT timeZone()', format: 'Native', settings: { client_protocol_version: '54460' } },
    { sql: 'SELECT displayName(), version(), revision(), timezone()', format: 'Native' },
    { sql: 'SELECT 1', format: 'Native', settings: { max_execution_time: '60' } },
    { sql: 'SELECT name FROM system.databases', format: 'Native' },
    { sql: "SELECT name FROM system.tables WHERE database = 'worktrail'", format: 'Native' },
    { sql: 'SELECT database, name FROM system.tables ORDER BY database, name', format: 'Native' },
    { sql: 'DESC TABLE "worktrail"."events"', format: 'Native' },
    {
      sql: "SELECT name, type, comment FROM system.columns WHERE database = 'worktrail' AND table = 'commands' ORDER BY position",
      format: 'Native',
    },
    {
      sql: '/* grafana dashboard=x, user=y */\nSELECT toStartOfInterval(toDateTime(queued_at), INTERVAL 60 second) AS "time", count(*) AS n FROM "worktrail"."commands" WHERE ( time >= toDateTime(1700000000) AND time <= toDateTime(1900000000) ) GROUP BY time ORDER BY time ASC LIMIT 100 SETTINGS max_execution_time=10',
      format: 'Native',
    },
  ],
  JDBC: [
    {
      sql: 'SELECT currentUser() AS user, timezone() AS timezone, version() AS version FORMAT RowBinaryWithNamesAndTypes',
      settings: { extremes: '0', compress: '0', session_id: 'x' },
    },
    {
      sql: 'SELECT name AS TABLE_SCHEM, NULL AS TABLE_CATALOG FROM system.databases ORDER BY name',
      format: 'RowBinaryWithNamesAndTypes',
    },
    {
      sql: "SELECT t.database AS TABLE_SCHEM, t.name AS TABLE_NAME, t.engine AS TABLE_TYPE, t.comment AS REMARKS FROM system.tables AS t WHERE t.database LIKE '%' AND t.name LIKE '%' ORDER BY 1, 2",
      format: 'RowBinaryWithNamesAndTypes',
    },
    {
      sql: "SELECT database, table, name, type, position, default_expression FROM system.columns WHERE database LIKE 'worktrail' AND table LIKE 'events'",
      format: 'RowBinaryWithNamesAndTypes',
    },
    { sql: 'SELECT name, is_aggregate FROM system.functions', format: 'RowBinaryWithNamesAndTypes' },
    { sql: 'SELECT currentDatabase()', format: 'RowBinaryWithNamesAndTypes' },
    { sql: 'SELECT * FROM worktrail.sessions LIMIT 10', format: 'RowBinaryWithNamesAndTypes' },
  ],
};
