/**
 * Ports of a cluster: the defaults where they are free, others where not, and no port given to two clusters at once. One that was asked for
 * is that one or an error.
 *
 * A chosen port is held by a machine-wide name until the cluster stops, so that two clusters that start in the same moment choose
 * different ones. Substitutes come from below the kernel's ephemeral range, which would hand them to outgoing connections.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { holdName, type InstanceLock } from './instance-lock.ts';

export const DEFAULT_PORTS = {
  gateway: 7460,
  'trace-store': 7461,
  orchestrator: 7462,
  'sandbox-runner': 7463,
  nats: 7464,
  temporal: 7465,
} as const;

export type PortName = keyof typeof DEFAULT_PORTS;
export type Ports = Record<PortName, number>;

export interface HeldPorts {
  ports: Ports;
  release(): Promise<void>;
}

const SUBSTITUTE_FIRST = 20_000;
const SUBSTITUTE_LAST = 31_999;
const ATTEMPTS_MAX = 200;

export async function holdPorts(
  host: string,
  defaults: Ports = DEFAULT_PORTS,
  asked: Partial<Ports> = {},
): Promise<HeldPorts> {
  const held: InstanceLock[] = [];
  const ports: Partial<Ports> = {};
  const random = () => randomInt(SUBSTITUTE_FIRST, SUBSTITUTE_LAST + 1);
  const release = async () => void (await Promise.all(held.map((lock) => lock.release())));
  for (const name of Object.keys(defaults) as PortName[]) {
    const wanted = asked[name];
    for (const port of wanted === undefined ? candidatePorts(defaults[name], random) : [wanted]) {
      const lock = await holdName(`worktrail-port-${port}`);
      if (lock === null) continue;
      if (await isPortFree(host, port)) {
        held.push(lock);
        ports[name] = port;
        break;
      }
      await lock.release();
    }
    if (ports[name] !== undefined) continue;
    await release();
    if (wanted === undefined) throw new Error(`No free port for ${name} in ${ATTEMPTS_MAX} attempts.`);
    throw new Error(`Port ${wanted} is taken, or may not be used: name another one for ${name}.`);
  }
  return { ports: ports as Ports, release };
}

/** The default first, then random substitutes, bounded. */
export function* candidatePorts(preferred: number, random: () => number): Generator<number> {
  yield preferred;
  for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt += 1) yield random();
}

export function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
