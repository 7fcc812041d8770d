import { expect, test } from 'vitest';
import { bridgeName, overlaps, parseRoutes, planNetwork } from './network-plan.ts';

const anywhere = { address: 0, prefixBits: 0 };

test('a state directory always gets the same network, another directory another one', () => {
  const plan = planNetwork('/a/.worktrail', [anywhere]);
  expect(planNetwork('/a/.worktrail', [])).toEqual(plan);
  expect(planNetwork('/b/.worktrail', []).bridge).not.toBe(plan.bridge);
  expect(plan.bridge.length).toBeLessThanOrEqual(15);
  expect(plan.bridgeAddress).toMatch(/^10\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.1\/24$/);
});

test('a network that is routed already is not used', () => {
  const first = planNetwork('/a', []);
  const [a = 0, b = 0, c = 0] = first.bridgeAddress.split('.').map(Number);
  const taken = { address: ((a << 24) | (b << 16) | (c << 8)) >>> 0, prefixBits: 24 };
  const second = planNetwork('/a', [taken]);
  expect(second.bridgeAddress).not.toBe(first.bridgeAddress);
  expect(second.bridge).toBe(first.bridge);
});

test('a machine whose whole range is routed is told what to do', () => {
  const all = { address: 10 << 24, prefixBits: 8 };
  expect(() => planNetwork('/a', [all])).toThrow('WORKTRAIL_DOCKER_SOCKET');
});

test('routes are read from the kernel table, without those of our own bridge', () => {
  const table = [
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    `${bridgeName('/a')}\t0000400A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0`,
    '',
  ].join('\n');
  const routes = parseRoutes(table, bridgeName('/a'));
  expect(routes).toEqual([anywhere, { address: 0xc0000200, prefixBits: 24 }]);
});

test('networks overlap when one holds the other, in either order', () => {
  const wide = { address: 0x0a400000, prefixBits: 16 };
  const narrow = { address: 0x0a401000, prefixBits: 20 };
  const beside = { address: 0x0a410000, prefixBits: 16 };
  expect([overlaps(wide, narrow), overlaps(narrow, wide), overlaps(wide, beside)]).toEqual([true, true, false]);
});
