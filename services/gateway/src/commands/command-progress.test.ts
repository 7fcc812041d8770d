import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { EventSchema, Stream } from '@worktrail/proto/event';
import { expect, test } from 'vitest';
import { applyEvent, createProgress } from './command-progress.ts';

const event = (number: number, payload: NonNullable<MessageInitShape<typeof EventSchema>['payload']>) =>
  create(EventSchema, { number: BigInt(number), time: timestampFromMs(1_000 + number), payload });
const queued = event(1, { case: 'commandQueued', value: { command: 'true' } });
const started = event(2, { case: 'commandStarted', value: {} });
const output = (number: number, stream: Stream, text: string) =>
  event(number, { case: 'commandOutput', value: { stream, bytes: Buffer.from(text) } });
const ended = (number: number) => event(number, { case: 'commandEnded', value: { exitCode: 3 } });

test('contiguous events from the first give start, output in order, bytes of each stream, and the end', () => {
  const progress = createProgress(100);
  for (const item of [queued, started, output(3, Stream.STDOUT, 'a'), output(4, Stream.STDERR, 'bc'), ended(5)]) {
    applyEvent(progress, item);
  }
  expect(progress).toMatchObject({
    isWhole: true,
    stdoutBytes: 1,
    stderrBytes: 2,
    startedAt: '1970-01-01T00:00:01.002Z',
  });
  expect(progress.tail.text().text).toBe('abc');
  expect(progress.end?.ended.exitCode).toBe(3);
});

test('an event that did not come makes the tail untrue, but not the end', () => {
  const progress = createProgress(100);
  for (const item of [queued, started, output(4, Stream.STDOUT, 'later'), ended(5)]) applyEvent(progress, item);
  expect(progress.isWhole).toBe(false);
  expect(progress.end?.ended.exitCode).toBe(3);
});

test('an event that comes twice counts once', () => {
  const progress = createProgress(100);
  for (const item of [queued, started, output(3, Stream.STDOUT, 'a'), output(3, Stream.STDOUT, 'a')]) {
    applyEvent(progress, item);
  }
  expect(progress).toMatchObject({ isWhole: true, stdoutBytes: 1 });
});
