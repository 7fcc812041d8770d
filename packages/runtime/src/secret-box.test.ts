import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createSecretBox, openSecretBox } from './secret-box.ts';

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

test('after a change of the key what was sealed before opens as long as the old one is named, and a lost one is told', async () => {
  const [first, second] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
  const opened = (given: string) => openSecretBox({ file: undefined, given });
  const sealed = (await opened(first)).seal('value', 'place');
  const changed = await opened(`${second}\n${first}\n`);
  expect(changed.open(sealed, 'place')).toBe('value');
  const anew = changed.seal('value', 'place');
  expect((await opened(second)).open(anew, 'place')).toBe('value');
  const lost = await opened(second);
  expect(() => lost.open(sealed, 'place')).toThrow('what is sealed of place does not open with this key');
  await expect(opened(`${first} short`)).rejects.toThrow('WORKTRAIL_SECRETS_KEY does not hold a key');
  await expect(openSecretBox({ file: undefined, given: undefined })).rejects.toThrow('has to be set');
});
