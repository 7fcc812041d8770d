// Which addresses a sandbox was given for which names: programs that know of no proxy ask for an address, and then connect to that.
//
// An address stands for a name only in the sandbox that was given it, and for a bounded time and number: the oldest go.

const keptMs = 60 * 60_000;
const addressesMax = 1_000;
const namesMax = 8;

export interface GivenAddresses {
  give(name: string, addresses: readonly string[]): void;
  /** The names that this address was given for, the last one first. */
  namesOf(address: string): string[];
}

export function createGivenAddresses(clock: () => number): GivenAddresses {
  const known = new Map<string, { names: string[]; untilMs: number }>();
  return {
    give(name, addresses) {
      for (const address of addresses) {
        const before = known.get(address)?.names.filter((one) => one !== name) ?? [];
        // Again at the end of the order.
        known.delete(address);
        known.set(address, { names: [name, ...before].slice(0, namesMax), untilMs: clock() + keptMs });
      }
      for (const [address] of known) {
        if (known.size <= addressesMax) break;
        known.delete(address);
      }
    },
    namesOf(address) {
      const found = known.get(address);
      return found && found.untilMs > clock() ? found.names : [];
    },
  };
}
