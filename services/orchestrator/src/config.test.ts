import { ConfigurationError } from '@worktrail/runtime/environment';
import { describe, expect, it } from 'vitest';
import { orchestratorConfig } from './config.ts';

const variables = {
  WORKTRAIL_CLUSTER_ID: 'test',
  WORKTRAIL_PORT: '0',
  WORKTRAIL_INTERNAL_TOKEN: 'x'.repeat(32),
  WORKTRAIL_NATS_URL: 'nats://127.0.0.1:4222',
  WORKTRAIL_TEMPORAL_ADDRESS: '127.0.0.1:7233',
  WORKTRAIL_TRACE_STORE_URL: 'http://127.0.0.1:8123',
};

describe('the configuration of the orchestrator', () => {
  it('needs nothing beyond what every service needs but the address of the trace-store', () => {
    expect(orchestratorConfig(variables)).toMatchObject({
      traceStoreUrl: 'http://127.0.0.1:8123',
      workflowBundleDirectory: undefined,
    });
  });

  it('names the variable that is missing', () => {
    expect(() => orchestratorConfig({ ...variables, WORKTRAIL_TRACE_STORE_URL: undefined })).toThrow(
      ConfigurationError,
    );
    expect(() => orchestratorConfig({ ...variables, WORKTRAIL_TRACE_STORE_URL: undefined })).toThrow(
      /WORKTRAIL_TRACE_STORE_URL/,
    );
  });
});
