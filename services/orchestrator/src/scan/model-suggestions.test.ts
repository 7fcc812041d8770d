import fc from 'fast-check';
import { expect, test } from 'vitest';
import { suggestionLimits } from '@worktrail/contract/suggestions';
import { toldIn } from './model-suggestions.ts';

const fit = { title: 'Mend it', description: 'Because.', path: 'a.ts', firstLine: 1, lastLine: 2 };

test('what fits is taken, whether it was told by the tool or as text', () => {
  expect(toldIn({ suggestions: [fit] }, 5)).toEqual([fit]);
  expect(toldIn(`\`\`\`json\n${JSON.stringify({ suggestions: [fit] })}\n\`\`\``, 5)).toEqual([fit]);
});

test('what does not fit is dropped, and the rest stays', () => {
  const odd = [
    null,
    7,
    {},
    { ...fit, firstLine: 0 },
    { ...fit, firstLine: 9 },
    { ...fit, title: ' ' },
    { ...fit, path: 3 },
  ];
  expect(toldIn({ suggestions: [...odd, fit] }, 10)).toEqual([fit]);
  for (const answered of ['', 'no', '[]', null, undefined, { suggestions: 'x' }])
    expect(toldIn(answered, 5)).toEqual([]);
});

test('so many and no more, each as it may be shown', () => {
  const odd = {
    ...fit,
    title: `\u001b[2Ja\nb\u202e${'x'.repeat(1_000)}`,
    description: `\u001b]0;x\u0007c\r\nd${'y'.repeat(99_999)}`,
  };
  const told = toldIn({ suggestions: Array.from({ length: 50 }, () => odd) }, 3);
  expect(told).toHaveLength(3);
  expect(told[0]!.title).toMatch(/^a b ?x+…$/);
  expect(told[0]!.title.length).toBeLessThanOrEqual(suggestionLimits.titleLengthMax);
  expect(told[0]!.description).toMatch(/^c\ndy+…$/);
});

test('nothing that a model can say throws', () => {
  fc.assert(fc.property(fc.anything(), (said) => void toldIn(said, 5)));
  fc.assert(fc.property(fc.array(fc.anything()), (suggestions) => void toldIn({ suggestions }, 5)));
});
