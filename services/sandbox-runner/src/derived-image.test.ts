import { expect, test } from 'vitest';
import { checkPackages, derivedImageName, errorLines } from './derived-image.ts';

test('the same packages in any order are the same image', () => {
  const one = checkPackages(['make', 'gcc', 'make']);
  expect(one).toEqual(['gcc', 'make']);
  expect(derivedImageName('sha256:a', one)).toBe(derivedImageName('sha256:a', checkPackages(['gcc', 'make'])));
  expect(derivedImageName('sha256:a', one)).not.toBe(derivedImageName('sha256:b', one));
  expect(derivedImageName('sha256:a', one)).not.toBe(derivedImageName('sha256:a', ['gcc']));
});

test('what is no package name never reaches the builder', () => {
  for (const name of ['--option', 'a;b', 'UPPER', 'a,b', '', 'x', 'a b', '$(id)']) {
    expect(() => checkPackages([name]), name).toThrow(expect.objectContaining({ code: 'packages_failed' }));
  }
});

test("a failed build tells apt's own error", () => {
  const stderr = [
    'I: running apt-get update...',
    'E: Unable to locate package no-such',
    'E: setup failed: E: apt-get --yes install no-such failed',
    'E: mmdebstrap failed to run',
  ].join('\n');
  expect(errorLines(stderr)).toBe('E: Unable to locate package no-such');
});
