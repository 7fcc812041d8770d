import { expect, test } from 'vitest';
import { environmentSchema } from './schemas.ts';

const isAllowed = (host: string) => environmentSchema.safeParse({ network: { allow: [host] } }).success;

test.each(['example.org:443', '*.example.org:65535', '[::1]:1'])('%s may be allowed', (host) => {
  expect(isAllowed(host)).toBe(true);
});

test.each(['example.org', 'example.org:0', 'example.org:65536', '[::1]:99999', 'a b:1'])('%s is no host', (host) => {
  expect(isAllowed(host)).toBe(false);
});
