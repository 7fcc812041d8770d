// Which addresses may be reached for somebody else, a sandbox or the URL of a webhook: those of the public internet. Not this host, under any of
// its addresses, and nothing private, link-local (metadata services), or reserved, unless the operator names it.
//
// 1. IPv4 addresses inside IPv6 ones are judged as IPv4.
// 2. Of IPv6 only global unicast is public, without the ranges that carry IPv4 or documentation.

import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { privateDestination } from './operator-config.ts';

const notPublicIpv4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  // A cloud's own services, on an address that looks public.
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
const globalIpv6 = ['2000::/3'];
/** Teredo, ORCHID, 6to4, documentation. */
const notPublicIpv6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const special = blockList([...notPublicIpv4, ...notPublicIpv6]);
const global = blockList(globalIpv6);

const ownAddressesForMs = 2_000;

export type AddressJudge = (address: string, port: number) => boolean;

/** `own`: this host's addresses at the moment. `exceptions`: what the operator allows of what is not public. */
export function createAddressJudge(own: () => ReadonlySet<string>, exceptions: readonly string[]): AddressJudge {
  const allowed = exceptions.map(parseException);
  return (given, port) => {
    const address = plainAddress(given);
    if (address === undefined) return false;
    if (allowed.some((one) => (one.port === undefined || one.port === port) && isIn(one.range, address))) return true;
    return isPublic(address) && !own().has(address);
  };
}

/** They change seldom, and are asked for with each connection. */
export function createOwnAddresses(clock: () => number): () => ReadonlySet<string> {
  let readMs = Number.NEGATIVE_INFINITY;
  let known: ReadonlySet<string> = new Set();
  return () => {
    if (clock() - readMs > ownAddressesForMs) {
      const found = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
      known = new Set(found.flatMap(({ address }) => plainAddress(address) ?? []));
      readMs = clock();
    }
    return known;
  };
}

export function isPublic(address: string): boolean {
  if (isIn(special, address)) return false;
  return isIPv4(address) || isIn(global, address);
}

/** A host in one spelling, as the WHATWG URL standard writes it, without brackets; undefined where it has none. */
export function canonicalHost(name: string): string | undefined {
  const url = URL.parse(`http://${name}/`);
  if (!url || url.username !== '' || url.pathname !== '/') return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  return host === '' ? undefined : host;
}

/** In one spelling, IPv4 where it is one; undefined for what is no address. */
export function plainAddress(text: string): string | undefined {
  const [bare = ''] = text.split('%');
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare)) return undefined;
  const host = canonicalHost(`[${bare}]`);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host ?? '');
  if (!mapped) return host;
  const [high = 0, low = 0] = mapped.slice(1).map((part) => Number.parseInt(part, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function parseException(text: string): { range: BlockList; port: number | undefined } {
  const [, v4, bits4, v6, bits6, port] = privateDestination.exec(text) ?? [];
  const range = v4 ? `${v4}/${bits4 ?? 32}` : `${v6 ?? ''}/${bits6 ?? 128}`;
  return { range: blockList([range]), port: port === '*' ? undefined : Number(port) };
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}
