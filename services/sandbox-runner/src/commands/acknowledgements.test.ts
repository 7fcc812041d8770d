import { EventEmitter, once } from 'node:events';
import { expect, test } from 'vitest';
import { createAcknowledgements } from './acknowledgements.ts';

/** A disk that is full or not, and what a supervisor was told. */
function newSubject() {
  const changes = new EventEmitter();
  let failure: string | null = null;
  const disk = { failure: () => failure, onChange: (listener: () => void) => changes.on('change', listener) };
  const told: number[] = [];
  const heard = new EventEmitter();
  let refusals = 0;
  const tell = async (position: number) => {
    heard.emit('told', position);
    if (refusals-- > 0) throw new Error('the supervisor does not read');
    told.push(position);
  };
  return {
    acknowledgements: createAcknowledgements(disk),
    tell,
    told,
    heard,
    refuse: (times: number) => void (refusals = times),
    setDisk(to: string | null) {
      failure = to;
      changes.emit('change');
    },
  };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test('what is stored is told at once, and never less than before', async () => {
  const { acknowledgements, tell, told } = newSubject();
  const one = acknowledgements.open(tell);
  for (const position of [10, 30, 20]) {
    one.stored(position);
    await settled();
  }
  expect(told).toEqual([10, 30]);
});

test('without room nothing is told, and when there is room again every command that is still open learns the last of it', async () => {
  const { acknowledgements, tell, told, setDisk } = newSubject();
  const ended: number[] = [];
  const one = acknowledgements.open(tell);
  const other = acknowledgements.open(async (position) => void ended.push(position));
  setDisk('1 MiB is free');
  for (const position of [10, 20]) one.stored(position);
  other.stored(5);
  await settled();
  expect(told).toEqual([]);
  other.close();
  setDisk(null);
  await settled();
  expect(told).toEqual([20]);
  expect(ended).toEqual([]);
});

test('a supervisor that could not be told is told again, with what is stored by then', async () => {
  const { acknowledgements, tell, told, heard, refuse } = newSubject();
  const one = acknowledgements.open(tell);
  refuse(1);
  one.stored(10);
  await settled();
  expect(told).toEqual([]);
  const again = once(heard, 'told');
  one.stored(11);
  await again;
  await settled();
  expect(told).toEqual([11]);
});

test('a supervisor that could not be told is told again without anything new', async () => {
  const { acknowledgements, tell, told, heard, refuse } = newSubject();
  const one = acknowledgements.open(tell);
  refuse(1);
  one.stored(10);
  await settled();
  await once(heard, 'told');
  await settled();
  expect(told).toEqual([10]);
});
