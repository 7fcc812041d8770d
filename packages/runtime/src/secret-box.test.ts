import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createSecretBox } from './secret-box.ts';

const box = createSecretBox(randomBytes(32));

test('a sealed text opens with its key at its place, and nowhere else', () => {
  const sealed = box.seal('grüße', 'secret.prj_1.TOKEN');
  expect(box.open(sealed, 'secret.prj_1.TOKEN')).toBe('grüße');
  expect(() => box.open(sealed, 'secret.prj_2.TOKEN')).toThrow();
  expect(() => createSecretBox(randomBytes(32)).open(sealed, 'secret.prj_1.TOKEN')).toThrow();
});

test('a changed sealed text does not open', () => {
  const bytes = Buffer.from(box.seal('value', 'place'), 'base64');
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i]! ^= 1;
    expect(() => box.open(changed.toString('base64'), 'place')).toThrow();
  }
});
