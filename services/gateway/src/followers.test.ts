import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import { createFollowers } from './followers.ts';
import { createHttpMetrics } from './http/http-metrics.ts';

test('followers are bounded for each organization and in all, each kind apart, and counted out once', async () => {
  const registry = createMetrics('test');
  const quotas = { followersPerOrganizationMax: 2, followersMax: 3 };
  const { admit } = createFollowers(quotas, createHttpMetrics(registry));
  const refused = expect.objectContaining({ code: 'rate_limited' });
  const end = admit('eventStreams', 'a');
  admit('eventStreams', 'a');
  expect(() => admit('eventStreams', 'a')).toThrow(refused);
  admit('waiters', 'a');
  admit('eventStreams', 'b');
  expect(() => admit('eventStreams', 'c')).toThrow(refused);
  end();
  end();
  admit('eventStreams', 'c');
  expect(() => admit('eventStreams', 'c')).toThrow(refused);
  const open = await registry.getSingleMetric('worktrail_event_streams')!.get();
  expect(open.values[0]!.value).toBe(3);
});
