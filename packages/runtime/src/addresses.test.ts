import { expect, test } from 'vitest';
import { createAddressJudge, isPublic, plainAddress } from './addresses.ts';

const none: ReadonlySet<string> = new Set();
const judge = (exceptions: string[] = [], own = none) => createAddressJudge(() => own, exceptions);

test.each(['1.1.1.1', '8.8.8.8', '172.15.255.255', '172.32.0.0', '100.128.0.1', '2606:4700:4700::1111'])(
  '%s is public',
  (address) => {
    expect(isPublic(plainAddress(address) ?? '')).toBe(true);
    expect(judge()(address, 443)).toBe(true);
  },
);

test.each([
  ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.254', '169.254.169.254'],
  ...[
    '168.63.129.16',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.53',
    '192.0.2.2',
    '224.0.0.1',
    '255.255.255.255',
  ],
  ...[
    '::',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    'fc00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
  ],
  ...['64:ff9b::7f00:1', '2002:7f00:1::', '2001::1', '2001:db8::1', '', 'example.org', '127.1'],
])('%s is not reached', (address) => {
  expect(judge()(address, 443)).toBe(false);
});

test("the host's own addresses are not reached, public as they may be, in any spelling", () => {
  const own = judge([], new Set(['8.8.4.4', '2606:4700::1']));
  for (const address of ['8.8.4.4', '::ffff:8.8.4.4', '2606:4700::1', '2606:4700:0:0::1'])
    expect(own(address, 80)).toBe(false);
  expect(own('8.8.8.8', 80)).toBe(true);
});

test('the operator lets single ports, whole ranges, and any port be reached', () => {
  const some = judge(['10.0.0.0/8:5432', '127.0.0.1:*', '[fd00::/8]:443', '192.168.1.7:80']);
  for (const [address, port] of [
    ['10.9.8.7', 5432],
    ['127.0.0.1', 9],
    ['fd12::1', 443],
    ['192.168.1.7', 80],
  ] as const)
    expect(some(address, port)).toBe(true);
  for (const [address, port] of [
    ['10.9.8.7', 5433],
    ['127.0.0.2', 9],
    ['fd12::1', 80],
    ['192.168.1.8', 80],
  ] as const)
    expect(some(address, port)).toBe(false);
});
