import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBatchReader } from './repository-objects.ts';

const idOf = (content: Uint8Array) => createHash('sha1').update(content).digest('hex');

test('contents are read whole, however the output comes in pieces', async () => {
  const content = fc.uint8Array({ maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(content), { maxLength: 8 }), fc.array(fc.nat(30)), async (contents, cuts) => {
      const output = Buffer.concat(
        contents.map((one) => {
          if (one === null) return Buffer.from(`${'0'.repeat(40)} missing\n`);
          return Buffer.concat([Buffer.from(`${idOf(one)} blob ${one.length}\n`), one, Buffer.from('\n')]);
        }),
      );
      const taken: [string, string][] = [];
      const read = createBatchReader(async (blob, bytes) => void taken.push([blob, bytes.toString('hex')]));
      let at = 0;
      for (const cut of cuts) {
        await read(output.subarray(at, at + cut));
        at += cut;
      }
      await read(output.subarray(at));
      const there = contents.filter((one) => one !== null);
      expect(taken).toEqual(there.map((one) => [idOf(one), Buffer.from(one).toString('hex')]));
    }),
  );
});

test('output that is none is refused', async () => {
  const read = createBatchReader(async () => undefined);
  await expect(read(Buffer.from('something else\n'))).rejects.toThrow('unexpected');
});
