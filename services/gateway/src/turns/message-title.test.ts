import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { name } from '../text.ts';
import { titleOf } from './message-title.ts';

describe('the title of a session that begins with a message', () => {
  it("is the message's first line", () => {
    expect(titleOf('\n  Why does \tit fail?  \nThe log is below.')).toBe('Why does  it fail?');
  });

  it('is a name, whatever the message is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), (message) => {
        expect(name.safeParse(titleOf(message)).success).toBe(true);
      }),
    );
  });
});
