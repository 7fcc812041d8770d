import { expect, test } from 'vitest';
import { absoluteTarget, passedOnHeaders } from './http-heads.ts';

test('what is for one connection stays there, what Connection names too, the rest keeps its order and its repetitions', () => {
  const rawHeaders = [
    ...[
      'Host',
      'evil.example',
      'X-One',
      '1',
      'Connection',
      'keep-alive, X-Hop',
      'X-Hop',
      'secret',
      'Proxy-Authorization',
      'Basic x',
    ],
    ...[
      'Set-Cookie',
      'a',
      'TE',
      'trailers',
      'Transfer-Encoding',
      'chunked',
      'Upgrade',
      'h2c',
      'Set-Cookie',
      'b',
      'Content-Length',
      '3',
    ],
  ];
  const passed = passedOnHeaders({ rawHeaders, headers: { connection: 'keep-alive, X-Hop' } });
  expect(passed).toEqual(['X-One', '1', 'Set-Cookie', 'a', 'Set-Cookie', 'b', 'Content-Length', '3']);
});

test.each([
  ['http://a.example', 'a.example', 80, '/'],
  ['HTTP://A.example:8080/x/../y?z=|', 'a.example', 8080, '/x/../y?z=|'],
  ['http://a.example?q', 'a.example', 80, '/?q'],
  ['http://[::1]/a@b', '::1', 80, '/a@b'],
  ['http://[::1]:81', '::1', 81, '/'],
])('%s goes where it says, with its path as it is', (url, host, port, path) => {
  expect(absoluteTarget(url)).toMatchObject({ to: { host, port }, path });
});

test.each([
  ...[
    'https://a.example/',
    'ftp://a.example/',
    'http://user@a.example/',
    'http://a:b@a.example/',
    'http:///x',
    'http://',
    '/x',
  ],
  ...[
    'http://a.example:0/',
    'http://a.example:99999/',
    'http://a.example/ x',
    'http://a.example/#x',
    'http://a\\b/',
    'http://a%00b/',
  ],
])('%s is no request that the proxy takes', (url) => {
  expect(absoluteTarget(url)).toBeUndefined();
});
