import { expect, test } from 'vitest';
import { passedOnHeaders } from './http-heads.ts';

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
