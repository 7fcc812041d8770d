import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type EgressRules, isAllowed, isAllowedName, parseDestination } from './egress-rules.ts';

const allows = (allow: string[], text: string, mode: EgressRules['mode'] = 'restricted') => {
  const to = parseDestination(text);
  return to !== undefined && isAllowed({ mode, allow }, to);
};

test.each([
  ['example.org:443', 'example.org:443'],
  ['example.org:443', 'EXAMPLE.org.:443'],
  ['Example.ORG:443', 'example.org:443'],
  ['*.example.org:443', 'a.example.org:443'],
  ['*.example.org:443', 'a.b.example.org:443'],
  ['10.0.0.1:80', '10.0.0.1:80'],
  ['127.0.0.1:80', '127.1:80'],
  ['127.0.0.1:80', '2130706433:80'],
  ['[::1]:80', '[0:0:0:0:0:0:0:1]:80'],
  ['xn--bcher-kva.example:443', 'xn--bcher-kva.example:443'],
])('%s allows %s', (entry, to) => {
  expect(allows([entry], to)).toBe(true);
});

test.each([
  ['example.org:443', 'example.org:80'],
  ['example.org:443', 'a.example.org:443'],
  ['example.org:443', 'evilexample.org:443'],
  ['example.org:443', 'example.org.evil.net:443'],
  ['*.example.org:443', 'example.org:443'],
  ['*.example.org:443', 'evilexample.org:443'],
  ['*.example.org:443', '.example.org:443'],
  ['*.org:443', '10.0.0.1:443'],
])('%s does not allow %s', (entry, to) => {
  expect(allows([entry], to)).toBe(false);
});

test.each([
  ...['', 'example.org', 'example.org:', ':443', 'example.org:0', 'example.org:65536', 'a b:1', 'a@b:1', 'a/b:1'],
  ...[
    'a?b:1',
    'a#b:1',
    'a%2eb:1',
    '[::1:80',
    '[::1]',
    '::1:80',
    'exa\nmple.org:1',
    '1.2.3.4.5:1',
    '[fe80::1%eth0]:1',
    '256.1.1.1:1',
  ],
])('"%s" is no destination', (text) => {
  expect(parseDestination(text)).toBeUndefined();
});

test('whatever is asked for, restricted allows it only by an entry with that very port, and open always', () => {
  const host = fc.constantFrom('a.example', 'b.a.example', 'example', '10.0.0.1', 'xa.example', '[::1]');
  const entry = fc
    .tuple(fc.constantFrom('', '*.'), host, fc.integer({ min: 1, max: 4 }))
    .map((parts) => `${parts[0]}${parts[1]}:${parts[2]}`);
  fc.assert(
    fc.property(fc.array(entry), host, fc.integer({ min: 1, max: 4 }), (allow, name, port) => {
      const to = `${name}:${port}`;
      const expected = allow.some((one) => one === to || (one.startsWith('*.') && to.endsWith(one.slice(1))));
      expect(allows(allow, to)).toBe(expected);
      expect(allows(allow, to, 'open')).toBe(true);
      if (expected) expect(isAllowedName({ mode: 'restricted', allow }, parseDestination(to)?.host ?? '')).toBe(true);
    }),
  );
});
