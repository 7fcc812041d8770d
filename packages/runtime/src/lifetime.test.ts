import { expect, test } from 'vitest';
import { createLifetime } from './lifetime.ts';
import { createLogger } from './log.ts';

const log = createLogger({ service: 'test', level: 'silent' });

test('parts close in reverse, after the signal, and one that fails or hangs does not keep the others', async () => {
  const lifetime = createLifetime(log, 20);
  const closed: string[] = [];
  lifetime.signal.addEventListener('abort', () => closed.push('signal'));
  lifetime.onClose('first', () => closed.push('first'));
  lifetime.onClose('failing', () => Promise.reject(new Error('broken')));
  lifetime.onClose('hanging', () => new Promise(() => {}));
  lifetime.onClose('last', () => closed.push('last'));
  await Promise.all([lifetime.close(), lifetime.close()]);
  expect(closed).toEqual(['signal', 'last', 'first']);
});
