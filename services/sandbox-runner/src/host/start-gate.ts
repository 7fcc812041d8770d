// A bounded number of things at once; who comes later waits in line.
//
// Starting many containers at the same time is slower for each of them than starting a few: the engine serialises most of it.

export interface StartGate {
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createStartGate(concurrentMax: number): StartGate {
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    async run(work) {
      if (running >= concurrentMax) await new Promise<void>((resolve) => waiting.push(resolve));
      else running += 1;
      try {
        return await work();
      } finally {
        // The place passes on to the next in line, else it is free again.
        const next = waiting.shift();
        if (next) next();
        else running -= 1;
      }
    },
  };
}
