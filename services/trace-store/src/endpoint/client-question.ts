// A question of one of ClickHouse's clients, as it becomes a tenant's statement with a format and settings.
//
// Settings that say how values are written are taken; of limits the lower one holds; what clients send of themselves is let pass; any other is
// refused by name, as a server refuses those it does not know.

import { Code, ConnectError } from '@connectrpc/connect';
import type { QueryStreamRequest } from '@worktrail/proto/trace';
import type { ConfinedConnection } from '../clickhouse/store.ts';
import { errorMetadata } from '../query/errors.ts';
import { canonical, confine } from '../query/statement.ts';
import type { Asked } from '../query/stream.ts';
import { takeApart } from './client-text.ts';
import { handshakeOf } from './handshake.ts';
import { shownBy } from './show.ts';
import { quoteString } from '../clickhouse/sql-text.ts';

const taken: Readonly<Record<string, RegExp>> = {
  output_format_json_quote_64bit_integers: /^[01]$/,
  output_format_json_quote_denormals: /^[01]$/,
  output_format_json_quote_decimals: /^[01]$/,
  output_format_json_named_tuples_as_objects: /^[01]$/,
  date_time_output_format: /^(?:simple|iso|unix_timestamp)$/,
  enable_extended_results_for_datetime_functions: /^[01]$/,
  extremes: /^0$/,
  limit: /^\d{1,15}$/,
  offset: /^\d{1,15}$/,
};

/** Of themselves, of the connection, or without a meaning for a SELECT here. */
const passed = new Set(
  `add_http_cors_header cancel_http_readonly_queries_on_client_close cast_string_to_dynamic_use_inference client_protocol_version compress
   connect_timeout date_time_input_format decompress enable_http_compression http_headers_progress_interval_ms http_zlib_compression_level
   http_receive_timeout http_send_timeout insert_distributed_sync joined_subquery_requires_alias log_comment max_block_size max_threads
   network_compression_method output_format_json_array_of_rows priority readonly result_overflow_mode role send_progress_in_http_headers
   session_check session_id session_timeout wait_end_of_query max_execution_time max_memory_usage
   allow_experimental_analyzer max_expanded_ast_elements optimize_aggregation_in_order`.split(/\s+/),
);

export function clientQuestion(request: QueryStreamRequest): (connection: ConfinedConnection) => Promise<Asked> {
  return async (connection) => {
    const text = shownBy(await canonical(connection, request.sql.replace(/;\s*$/, '')));
    const parts = takeApart(text, request.parameters);
    const settings = checked({ ...request.settings, ...parts.settings });
    const statement = await confine(connection, parts.statement, request.organizationId, handshakeOf(parts.statement));
    const revision = Number(/^\d{1,9}$/.exec(request.settings.client_protocol_version ?? '')?.[0] ?? 0);
    return { statement, format: parts.format ?? request.format, settings, revision, mayBeCut: false };
  };
}

function checked(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    if (passed.has(name)) return [];
    // A limit of the client's own may be lower than ours.
    if (name === 'max_result_rows' && /^[1-9]\d{0,5}$/.test(value)) return [`max_result_rows = ${value}`];
    if (name === 'max_result_rows' && /^\d+$/.test(value)) return [];
    const shape = Object.hasOwn(taken, name) ? taken[name] : undefined;
    if (!shape) throw refusedSetting(115, 'UNKNOWN_SETTING', `Setting ${name.slice(0, 100)} is not taken here`);
    if (!shape.test(value)) throw refusedSetting(115, 'UNKNOWN_SETTING', `Setting ${name} cannot be set to that`);
    return [`${name} = ${/^\d+$/.test(value) ? value : quoteString(value)}`];
  });
}

function refusedSetting(code: number, name: string, message: string): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, {
    [errorMetadata.code]: String(code),
    [errorMetadata.name]: name,
  });
}
