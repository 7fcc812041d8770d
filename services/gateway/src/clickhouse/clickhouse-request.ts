// A request of one of ClickHouse's clients: who asks, what, and how it is to be written.

export class ClickHouseRefusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, name: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.name = name;
  }
}

/** As the header Authorization of the API. */
export function keyOf(headers: Headers, query: URLSearchParams): string | null {
  const given = headers.get('authorization');
  const encoded = /^basic ([A-Za-z0-9+/=]+)$/i.exec(given ?? '')?.[1];
  if (encoded !== undefined) {
    const password = /^[^:]*:(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('latin1'))?.[1] ?? '';
    if (password !== '') return `Bearer ${password}`;
  }
  const key = headers.get('x-clickhouse-key') ?? query.get('password');
  if (key) return `Bearer ${key}`;
  return encoded === undefined ? given : null;
}

export interface ClickHouseRequest {
  sql: string;
  format: string;
  parameters: Record<string, string>;
  settings: Record<string, string>;
}

const databases = new Set(['', 'worktrail', 'default']);
const ofTheRequest = new Set([
  'query',
  'query_id',
  'database',
  'user',
  'password',
  'default_format',
  'quota_key',
  'stacktrace',
]);

/** Rows stand in the body, and may be anything: it is not looked at. @throws ClickHouseRefusal */
export function refuseRows(query: URLSearchParams): void {
  if (/^\s*INSERT\b/i.test(query.get('query') ?? '')) {
    throw new ClickHouseRefusal(403, '164', 'READONLY', 'only SELECT can be asked');
  }
}

/** @throws ClickHouseRefusal */
export function readRequest(headers: Headers, query: URLSearchParams, body: Uint8Array): ClickHouseRequest {
  if (query.get('decompress') === '1' || headers.has('content-encoding')) {
    throw new ClickHouseRefusal(415, '48', 'NOT_IMPLEMENTED', 'what is sent compressed is not taken here');
  }
  if (query.get('compress') === '1') {
    throw new ClickHouseRefusal(
      501,
      '48',
      'NOT_IMPLEMENTED',
      "ClickHouse's own compression is not spoken here: set compress=0",
    );
  }
  const database = query.get('database') || headers.get('x-clickhouse-database') || '';
  if (!databases.has(database)) {
    const message = `there is no database ${database.slice(0, 100)}; it is worktrail. The path /v1/clickhouse is set apart from the address`;
    throw new ClickHouseRefusal(404, '81', 'UNKNOWN_DATABASE', message);
  }
  const [parameters, settings]: Record<string, string>[] = [{}, {}];
  for (const [name, value] of query) {
    if (name.startsWith('param_')) parameters![name.slice('param_'.length)] = value;
    else if (!ofTheRequest.has(name)) settings![name] = value;
  }
  const sql = [query.get('query') ?? '', new TextDecoder().decode(body)].filter((part) => part !== '').join('\n');
  if (sql.trim() === '') throw new ClickHouseRefusal(400, '62', 'SYNTAX_ERROR', 'Empty query');
  const format = headers.get('x-clickhouse-format') ?? query.get('default_format') ?? 'TabSeparated';
  return { sql, format, parameters: parameters!, settings: settings! };
}
