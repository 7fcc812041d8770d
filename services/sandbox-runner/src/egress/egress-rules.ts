// Where a sandbox may connect to, by name: pure decisions over what the project allows.
//
// 1. Hosts are compared in one spelling: lower case, no dot at the end, addresses as the WHATWG URL standard writes them ("127.1" and
//    "0x7f000001" are 127.0.0.1). What has no such spelling is no destination.
// 2. `*.example.org` stands for every name below example.org, and not for itself.
// 3. That a name may be connected to says nothing of its addresses: addresses.ts judges those.

import type { Environment } from '@worktrail/contract/environment';
import { canonicalHost } from '@worktrail/runtime/addresses';

export interface Destination {
  /** A name, or an address without brackets. */
  host: string;
  port: number;
}

export type EgressMode = 'restricted' | 'open';

export interface EgressRules {
  mode: EgressMode;
  allow: readonly string[];
}

/** undefined: the environment has no network at all. */
export function egressRules({ mode, allow }: Environment['network']): EgressRules | undefined {
  return mode === 'none' ? undefined : { mode, allow };
}

const authority = /^(\[[0-9A-Fa-f:.]{2,45}\]|(?!.*\.\.)\w[\w.-]{0,252}):(\d{1,5})$/;

/** Of `host:port`; undefined where it is none. */
export function parseDestination(text: string): Destination | undefined {
  const [, name, digits] = authority.exec(text) ?? [];
  if (name === undefined) return undefined;
  const port = Number(digits);
  const host = canonicalHost(name);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

/** By the project's rules alone. */
export function isAllowed(rules: EgressRules, { host, port }: Destination): boolean {
  return rules.mode === 'open' || rules.allow.some((entry) => matches(entry, host, port));
}

/** Some port of this host is allowed. */
export function isAllowedName(rules: EgressRules, host: string): boolean {
  return rules.mode === 'open' || rules.allow.some((entry) => matches(entry, host, undefined));
}

function matches(entry: string, host: string, port: number | undefined): boolean {
  const isBelow = entry.startsWith('*.');
  const allowed = parseDestination(isBelow ? entry.slice(2) : entry);
  if (!allowed || (port !== undefined && allowed.port !== port)) return false;
  return isBelow ? host.endsWith(`.${allowed.host}`) : host === allowed.host;
}
