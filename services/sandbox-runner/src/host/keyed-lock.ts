// One at a time per key, in the order of the calls; keys do not wait for each other.

export interface KeyedLock {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
  isHeld(key: string): boolean;
}

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>();
  return {
    isHeld: (key) => tails.has(key),
    run(key, work) {
      const before = tails.get(key) ?? Promise.resolve();
      const result = before.then(work, work);
      const tail = result
        .catch(() => undefined)
        .then(() => {
          if (tails.get(key) === tail) tails.delete(key);
        });
      tails.set(key, tail);
      return result;
    },
  };
}
