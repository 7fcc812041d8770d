// Connections from the runner to the outside, on behalf of a sandbox.
//
// 1. A name is resolved here, and what is connected to is an address that was judged: a name that changes its mind reaches nothing else.

import { connect, isIP, type Socket } from 'node:net';
import { type AddressJudge, plainAddress } from '@worktrail/runtime/addresses';
import type { ResolveName } from '@worktrail/runtime/name-resolver';
import type { Destination } from './egress-rules.ts';
import { parseServer } from './names.ts';
import { nameServerAddress } from './sandbox-network.ts';

const connectTimeoutMs = 10_000;
const addressesMax = 4;
const dnsPort = 53;

/** No address of it may be reached. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/** It may be reached, and cannot be at the moment. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

export interface Dialing {
  /** @throws AddressRefused, Unreachable */
  connect(to: Destination, signal: AbortSignal): Promise<Socket>;
}

export interface DialingDeps {
  judge: AddressJudge;
  resolve: ResolveName;
  /** Of this host: what sandboxes know as their own name server. */
  nameServers: () => readonly string[];
}

export function createDialing({ judge, resolve, nameServers }: DialingDeps): Dialing {
  return {
    async connect({ host, port }, signal) {
      const [nameServer] = host === nameServerAddress && port === dnsPort ? nameServers() : [];
      if (nameServer !== undefined) {
        const server = parseServer(nameServer);
        return connectTo(server.address, server.port, signal);
      }
      const addresses = isIP(host) ? [host] : await resolve(host);
      const reachable = addresses.flatMap((found) => plainAddress(found) ?? []).filter((one) => judge(one, port));
      if (addresses.length === 0) throw new Unreachable(`${host} has no address`);
      if (reachable.length === 0) throw new AddressRefused(`${host} has no address that may be reached`);
      let failure: unknown;
      for (const address of reachable.slice(0, addressesMax)) {
        signal.throwIfAborted();
        try {
          return await connectTo(address, port, signal);
        } catch (error) {
          failure = error;
        }
      }
      throw new Unreachable(`${host}:${port} does not answer`, { cause: failure });
    },
  };
}

function connectTo(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true, keepAlive: true });
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = () => socket.destroy(new Error('the sandbox or its runner stops'));
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), connectTimeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    // For good: who holds it later sees its end, and an error that nobody listens to would end the process.
    socket.on('error', (error) => {
      settle();
      reject(error);
    });
    socket.once('connect', () => {
      settle();
      resolve(socket);
    });
  });
}
