// A sandbox's network: its own loopback, with no way off it, and rules in its own network namespace that lead every connection and every
// question for a name to the relay (supervisor/src/relay.h).
//
// 1. There is no interface but the loopback: no packet leaves the namespace, to the host or to another sandbox, whatever becomes of the rules.
// 2. The rules are the sandbox's, not the host's: they go with it, and nothing of the machine's firewall is read or written.
// 3. Nothing in the sandbox can change them: that takes NET_ADMIN.
// 4. Setting them again comes to the same.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { programEnvironment } from '../host/program-environment.ts';

const program = promisify(execFile);
const timeoutMs = 10_000;

/** In the sandbox: for what speaks to a proxy or a model, for connections that meant to go elsewhere, for questions. */
export const relayPorts = { proxy: 20_480, tunnels: 20_481, questions: 20_482 } as const;

/** Of ranges that are nobody's: what commands see as their own address and as their name server. */
const ownAddress = '198.18.0.1';
export const nameServerAddress = '198.18.0.53';

export class NetworkRulesRefused extends Error {
  override readonly name = 'NetworkRulesRefused';
}

const firewall = `*nat
-A OUTPUT -d 127.0.0.0/8 -j RETURN
-A OUTPUT -d ${ownAddress}/32 -j RETURN
-A OUTPUT -p tcp -j REDIRECT --to-ports ${relayPorts.tunnels}
-A OUTPUT -p udp --dport 53 -j REDIRECT --to-ports ${relayPorts.questions}
COMMIT
*filter
-A OUTPUT -d 127.0.0.0/8 -j ACCEPT
-A OUTPUT -d ${ownAddress}/32 -j ACCEPT
-A OUTPUT -j REJECT
COMMIT
`;

/** No word of it comes from anywhere else. The loopback takes packets of that size whole. */
const script = `ip address replace ${ownAddress}/32 dev lo
ip route replace default dev lo src ${ownAddress}
exec iptables-restore -w 5
`;

/** `namespace`: the path of the sandbox's network namespace on this host. @throws NetworkRulesRefused with what the tools say. */
export async function setNetworkRules(namespace: string): Promise<void> {
  const env = programEnvironment({ LC_ALL: 'C' });
  env['PATH'] = `${env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const running = program('nsenter', [`--net=${namespace}`, 'sh', '-e', '-c', script], { timeout: timeoutMs, env });
  running.child.stdin?.on('error', () => undefined);
  running.child.stdin?.end(firewall);
  try {
    await running;
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    const said =
      code === 'ENOENT' ? 'nsenter is not installed' : (stderr ?? '').trim().split('\n').slice(-3).join(' / ');
    throw new NetworkRulesRefused(said.slice(0, 500) || (error as Error).message, { cause: error });
  }
}
