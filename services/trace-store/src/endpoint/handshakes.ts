// What ClickHouse's clients ask before and around their users' questions, as they sent it: @clickhouse/client 1.23, clickhouse-connect 1.12, and,
// in recorded-handshakes.json, clickhouse-go, Grafana's plug-in and the JDBC driver with what DBeaver asks by it. For tests.

import recorded from './recorded-handshakes.json' with { type: 'json' };

export interface Asked {
  sql: string;
  /** Of the request: default_format, or the header X-ClickHouse-Format. */
  format?: string;
  parameters?: Record<string, string>;
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
  ...(recorded as unknown as Record<string, readonly Asked[]>),
};
