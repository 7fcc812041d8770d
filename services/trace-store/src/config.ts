// The trace-store's configuration: the common variables, where ClickHouse is, and the bounds of streams and batches, some of them the
// operator's.

import type { RetentionCeilings } from '@worktrail/contract/retention';
import {
  ConfigurationError,
  readEnvironment,
  readTogether,
  type ServiceConfig,
  serviceConfig,
} from '@worktrail/runtime/environment';
import { readOperatorSettings } from '@worktrail/runtime/operator-config';
import { z } from 'zod';
import type { CollectorConfig } from './otlp/collector.ts';

export type ClickHouseConfig =
  | { kind: 'embedded'; path: string }
  | { kind: 'server'; url: string; database: string; user: string; password: string };

export interface StreamLimits {
  /** An events stream refuses more than this; producers wait until what is stored has been purged. */
  eventBytesMax: number;
  replicas: number;
  /** What stays in an events stream after it was stored, for live readers. */
  tailMessages: number;
  tailBytes: number;
  /** What was stored less long ago stays too, while there is space. */
  settleSeconds: number;
}

export interface TraceStoreConfig extends ServiceConfig {
  clickhouse: ClickHouseConfig;
  streams: StreamLimits;
  /** What of it an organization may keep at most. */
  retention: RetentionCeilings;
  /** Of one SQL statement of a tenant. */
  querySecondsMax: number;
  /** null: there is no collector of traces. */
  otlp: (CollectorConfig & { content: boolean }) | null;
}

const mebibyte = 1024 * 1024;

const variables = {
  WORKTRAIL_CLICKHOUSE_PATH: z.string().min(1).optional(),
  WORKTRAIL_CLICKHOUSE_URL: z.url().optional(),
  WORKTRAIL_CLICKHOUSE_DATABASE: z.string().default('default'),
  WORKTRAIL_CLICKHOUSE_USER: z.string().default('default'),
  WORKTRAIL_CLICKHOUSE_PASSWORD: z.string().default(''),
  WORKTRAIL_STREAM_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  WORKTRAIL_STREAM_SETTLE_SECONDS: z.coerce.number().int().min(0).max(300).default(60),
  /** name=value,name=value: what a collector is shown. It may hold a key, so it is no value of worktrail.yaml. */
  WORKTRAIL_OTLP_HEADERS: z
    .string()
    .regex(/^(?:[A-Za-z0-9-]+=[ -~]+?(?:,(?=[A-Za-z0-9-]+=)|$))*$/, 'name=value,name=value')
    .default(''),
  WORKTRAIL_QUERY_SECONDS_MAX: z.coerce.number().int().min(1).max(600).default(10),
  WORKTRAIL_STREAM_TAIL_BYTES: z.coerce
    .number()
    .int()
    .min(0)
    .default(512 * mebibyte),
};

/** @throws ConfigurationError that names every problem. */
export function traceStoreConfig(environment: NodeJS.ProcessEnv): TraceStoreConfig {
  const { common, own, operator } = readTogether({
    common: () => serviceConfig(environment),
    own: () => readOwn(environment),
    operator: () => readOperatorSettings(environment).values,
  });
  const { streamBytesMax, tailMessages } = operator.events;
  const { streams, otlpHeaders, ...rest } = own;
  const { url, content } = operator.otlp;
  return {
    ...{ ...common, ...rest },
    retention: operator.retention,
    streams: { ...streams, eventBytesMax: streamBytesMax, tailMessages },
    otlp: url === null ? null : { url, content, headers: otlpHeaders },
  };
}

function readOwn(environment: NodeJS.ProcessEnv) {
  const values = readEnvironment(variables, environment);
  return {
    clickhouse: clickhouseConfig(values),
    streams: {
      replicas: values.WORKTRAIL_STREAM_REPLICAS,
      tailBytes: values.WORKTRAIL_STREAM_TAIL_BYTES,
      settleSeconds: values.WORKTRAIL_STREAM_SETTLE_SECONDS,
    },
    querySecondsMax: values.WORKTRAIL_QUERY_SECONDS_MAX,
    otlpHeaders: headersOf(values.WORKTRAIL_OTLP_HEADERS),
  };
}

/** A comma within a value is one of the value, unless a name follows. */
function headersOf(text: string): Record<string, string> {
  const pairs = text === '' ? [] : text.split(/,(?=[A-Za-z0-9-]+=)/);
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

function clickhouseConfig(values: {
  WORKTRAIL_CLICKHOUSE_PATH?: string | undefined;
  WORKTRAIL_CLICKHOUSE_URL?: string | undefined;
  WORKTRAIL_CLICKHOUSE_DATABASE: string;
  WORKTRAIL_CLICKHOUSE_USER: string;
  WORKTRAIL_CLICKHOUSE_PASSWORD: string;
}): ClickHouseConfig {
  const { WORKTRAIL_CLICKHOUSE_PATH: path, WORKTRAIL_CLICKHOUSE_URL: url } = values;
  if (path && !url) return { kind: 'embedded', path };
  if (url && !path) {
    return {
      kind: 'server',
      url,
      database: values.WORKTRAIL_CLICKHOUSE_DATABASE,
      user: values.WORKTRAIL_CLICKHOUSE_USER,
      password: values.WORKTRAIL_CLICKHOUSE_PASSWORD,
    };
  }
  throw new ConfigurationError([
    'WORKTRAIL_CLICKHOUSE_PATH (a directory, ClickHouse in process) or WORKTRAIL_CLICKHOUSE_URL (a server): set exactly one',
  ]);
}
