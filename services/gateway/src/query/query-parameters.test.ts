import { expect, test } from 'vitest';
import { parameterText } from './query-parameters.ts';

test('a value is one value, whatever it holds', () => {
  expect(parameterText('a\tb\\N')).toBe('a\\tb\\\\N');
  expect(parameterText(null)).toBe('\\N');
  expect(parameterText(1.5)).toBe('1.5');
  expect(parameterText(["it's", '\\', 2, null, true])).toBe("['it\\'s','\\\\',2,NULL,true]");
});
