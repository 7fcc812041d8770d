import { expect, test } from 'vitest';
import { keyOf, readRequest, refuseRows } from './clickhouse-request.ts';

const none = new URLSearchParams();
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

test('the key is the password, however it is sent', () => {
  expect(keyOf(new Headers(basic('anybody:wt_key')), none)).toBe('Bearer wt_key');
  expect(keyOf(new Headers(basic('a:with:colons')), none)).toBe('Bearer with:colons');
  expect(keyOf(new Headers({ authorization: 'Bearer wt_key' }), none)).toBe('Bearer wt_key');
  expect(keyOf(new Headers({ 'x-clickhouse-user': 'x', 'x-clickhouse-key': 'wt_key' }), none)).toBe('Bearer wt_key');
  expect(keyOf(new Headers(basic('default:')), new URLSearchParams('password=wt_key'))).toBe('Bearer wt_key');
  expect(keyOf(new Headers(basic('default:')), none)).toBeNull();
  expect(keyOf(new Headers(), none)).toBeNull();
});

test('the statement is what stands in the address and in the body, its format what is asked for', () => {
  const query = new URLSearchParams(
    'query=SELECT 1&default_format=Native&param_a=5&max_threads=2&query_id=x&database=worktrail',
  );
  expect(readRequest(new Headers(), query, Buffer.from('FORMAT CSV'))).toEqual({
    ...{ sql: 'SELECT 1\nFORMAT CSV', format: 'Native' },
    ...{ parameters: { a: '5' }, settings: { max_threads: '2' } },
  });
  const headers = new Headers({ 'x-clickhouse-format': 'RowBinaryWithNamesAndTypes' });
  expect(readRequest(headers, none, Buffer.from('SELECT 1')).format).toBe('RowBinaryWithNamesAndTypes');
});

test('a request is read as clickhouse-go and the JDBC driver send it', () => {
  const go = new URLSearchParams(
    'client_protocol_version=54460&database=worktrail&default_format=Native&max_execution_time=14&param_num=42',
  );
  expect(readRequest(new Headers(), go, Buffer.from('SELECT {num:UInt64}'))).toEqual({
    ...{ sql: 'SELECT {num:UInt64}', format: 'Native', parameters: { num: '42' } },
    settings: { client_protocol_version: '54460', max_execution_time: '14' },
  });
  const jdbc = new Headers({
    'content-type': 'text/plain',
    'x-clickhouse-format': 'RowBinaryWithNamesAndTypes',
    'x-clickhouse-database': 'worktrail',
  });
  const query = new URLSearchParams('query_id=ef72128a-d1f3-4d83-bbca-489f4dcd1b11');
  expect(readRequest(jdbc, query, Buffer.from('SELECT 1'))).toEqual({
    ...{ sql: 'SELECT 1', format: 'RowBinaryWithNamesAndTypes', parameters: {}, settings: {} },
  });
});

test.each([
  ['decompress=1&query=SELECT 1', {}, 415],
  ['query=SELECT 1', { 'content-encoding': 'gzip' }, 415],
  ['compress=1&query=SELECT 1', {}, 501],
  ['database=v1/clickhouse&query=SELECT 1', {}, 404],
  ['query=', {}, 400],
])('%s with %o is refused with %i', (query, headers, status) => {
  expect(() => readRequest(new Headers(headers), new URLSearchParams(query), new Uint8Array())).toThrow(
    expect.objectContaining({ status }),
  );
});

test('rows are refused whatever they are, and what only looks like them is not', () => {
  for (const text of ['INSERT INTO events (a) FORMAT RowBinary', '\n insert into t values']) {
    expect(() => refuseRows(new URLSearchParams({ query: text }))).toThrow(
      expect.objectContaining({ status: 403, code: '164' }),
    );
  }
  for (const text of ["SELECT 'INSERT INTO t'", 'INSERTED', '']) refuseRows(new URLSearchParams({ query: text }));
});
