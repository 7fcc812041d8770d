/**
 * The bridge and subnets of a cluster's own Docker engine: named after the state directory, and clear of everything the machine
 * already routes, so that engines of several clusters do not collide.
 *
 * A plan is one /20 out of 10.64.0.0/10: its first /24 is the bridge's, the rest are for networks made later.
 */
import { createHash } from 'node:crypto';

export interface NetworkPlan {
  bridge: string;
  /** Address of the bridge with its prefix length. */
  bridgeAddress: string;
  /** Where networks made later take their /24s from. */
  pools: string[];
}

export interface Subnet {
  /** As an unsigned 32-bit number. */
  address: number;
  prefixBits: number;
}

const BLOCKS = 1024;

/** The first block free of `taken`, starting from one that the state directory's path determines. */
export function planNetwork(stateDirectory: string, taken: Subnet[]): NetworkPlan {
  const digest = createHash('sha256').update(stateDirectory).digest();
  const first = digest.readUInt16BE(0) % BLOCKS;
  for (let attempt = 0; attempt < BLOCKS; attempt += 1) {
    const block = (first + attempt) % BLOCKS;
    const base = (10 << 24) | ((64 + (block >> 4)) << 16) | ((block & 15) << 12);
    if (taken.some((subnet) => overlaps(subnet, { address: base >>> 0, prefixBits: 20 }))) continue;
    return {
      bridge: bridgeName(stateDirectory),
      bridgeAddress: `${formatAddress(base + 1)}/24`,
      pools: [`${formatAddress(base + (8 << 8))}/21`, `${formatAddress(base + (4 << 8))}/22`],
    };
  }
  throw new Error('Every subnet in 10.64.0.0/10 is taken on this machine: set WORKTRAIL_DOCKER_SOCKET to an engine.');
}

/** At most 15 bytes, the kernel's limit for interface names. */
export function bridgeName(stateDirectory: string): string {
  return `wt${createHash('sha256').update(stateDirectory).digest('hex').slice(0, 10)}`;
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  const bits = Math.min(a.prefixBits, b.prefixBits);
  if (bits === 0) return false; // a default route claims nothing
  const shift = 32 - bits;
  return a.address >>> shift === b.address >>> shift;
}

/** Reads `/proc/net/route`: destination and mask are little-endian hexadecimal. Routes over `exceptInterface` are left out. */
export function parseRoutes(text: string, exceptInterface: string): Subnet[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter((fields) => fields.length > 7 && fields[0] !== exceptInterface)
    .map((fields) => ({
      address: swapBytes(Number.parseInt(fields[1] ?? '0', 16)),
      prefixBits: countBits(Number.parseInt(fields[7] ?? '0', 16)),
    }));
}

function swapBytes(value: number): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes.readUInt32BE();
}

function countBits(value: number): number {
  return (value >>> 0).toString(2).replaceAll('0', '').length;
}

function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}
