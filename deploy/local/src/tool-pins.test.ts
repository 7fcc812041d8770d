import { expect, test } from 'vitest';
import { isSuitableVersion, TOOL_PINS } from './tool-pins.ts';

test.each([
  ['1.9.1', true],
  ['1.9.2', true],
  ['1.10.0', true],
  ['1.9.0', false],
  ['1.8.9', false],
  ['2.0.0', false],
  ['0.99.99', false],
])('temporal %s beside the pinned 1.9.1 is suitable: %s', (version, expected) => {
  expect(isSuitableVersion(version, '1.9.1')).toBe(expected);
});

test('the version is read out of what each tool prints', () => {
  const read = (name: keyof typeof TOOL_PINS, text: string) => TOOL_PINS[name].versionPattern.exec(text)?.[1];
  expect(read('temporal', 'temporal version 1.9.1 (Server 1.32.0, UI 2.50.0)')).toBe('1.9.1');
  expect(read('nats-server', 'nats-server: v2.15.1')).toBe('2.15.1');
});
