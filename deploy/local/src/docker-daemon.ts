/**
 * A cluster's own Docker engine: everything it makes is in the state directory, its bridge and subnets are its own, and the
 * machine's firewall and forwarding stay as they are (no iptables rules, no ip_forward).
 *
 * Containers outlive a crash of the engine (live-restore). An orderly stop removes them first, then the engine, its mounts and
 * its bridge.
 */
import { readFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMountPoints } from './mount-points.ts';
import { type NetworkPlan, bridgeName, parseRoutes, planNetwork } from './network-plan.ts';
import { mustRun, runProgram } from './run-program.ts';

const PROGRAM_TIMEOUT_MS = 15_000;

export interface DaemonPlan {
  socket: string;
  configPath: string;
  pidFile: string;
  directory: string;
  /** Below it the engine keeps the sockets of its containers' processes. */
  execRoot: string;
  network: NetworkPlan;
}

/** `socketRoot` is the state directory by a name short enough for sockets; `root` is the directory itself. */
export async function planDaemon(root: string, socketRoot: string): Promise<DaemonPlan> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
  const directory = join(root, 'docker');
  const network = planNetwork(root, parseRoutes(routes, bridgeName(root)));
  const socket = join(socketRoot, 'docker.sock');
  return {
    socket,
    configPath: join(directory, 'daemon.json'),
    pidFile: join(directory, 'docker.pid'),
    directory,
    execRoot: join(socketRoot, 'docker', 'run'),
    network,
  };
}

export function daemonConfig(plan: DaemonPlan): Record<string, unknown> {
  return {
    'data-root': join(plan.directory, 'data'),
    'exec-root': plan.execRoot,
    pidfile: plan.pidFile,
    hosts: [`unix://${plan.socket}`],
    group: 'root',
    bridge: plan.network.bridge,
    'default-address-pools': plan.network.pools.map((base) => ({
      base,
      size: 24,
    })),
    iptables: false,
    ip6tables: false,
    'ip-forward': false,
    'ip-masq': false,
    'userland-proxy': false,
    'live-restore': true,
    'shutdown-timeout': 5,
    'log-level': 'warn',
    'log-driver': 'json-file',
    'log-opts': { 'max-size': '1m', 'max-file': '1' },
  };
}

/** Writes the configuration, makes the bridge and removes pid files that an engine which was killed left. */
export async function prepareDaemon(plan: DaemonPlan, socketRoot: string): Promise<void> {
  await mkdir(plan.directory, { recursive: true, mode: 0o711 });
  const names = [plan.directory, join(socketRoot, 'docker')];
  await removeStalePidFile(plan.pidFile, names);
  await removeStalePidFile(join(plan.directory, 'run', 'containerd', 'containerd.pid'), names);
  await writeFile(plan.configPath, `${JSON.stringify(daemonConfig(plan), null, 2)}\n`, { mode: 0o600 });
  await openBridge(plan.network);
}

/** A pid file whose number was given to another program since would keep the engine from starting. */
async function removeStalePidFile(path: string, ourNames: string[]): Promise<void> {
  const pid = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10);
  const commandLine = Number.isInteger(pid) ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
  if (!ourNames.some((name) => commandLine.includes(name))) await rm(path, { force: true });
}

async function openBridge({ bridge, bridgeAddress }: NetworkPlan): Promise<void> {
  const existing = await ip(['link', 'show', bridge]);
  if (existing.exitCode !== 0) await mustIp(['link', 'add', 'name', bridge, 'type', 'bridge']);
  await mustIp(['addr', 'replace', bridgeAddress, 'dev', bridge]);
  await mustIp(['link', 'set', bridge, 'up']);
}

/** After the engine's process has ended: unmounts what it left mounted and removes the bridge. */
export async function cleanUpDaemon(plan: DaemonPlan): Promise<void> {
  const mounts = parseMountPoints(await readFile('/proc/self/mountinfo', 'utf8'), plan.directory);
  const timeoutMs = PROGRAM_TIMEOUT_MS;
  for (const mount of mounts) await runProgram('umount', ['-l', mount], { timeoutMs });
  await ip(['link', 'delete', plan.network.bridge]);
  await rm(plan.socket, { force: true });
}

function ip(args: string[]) {
  return runProgram('ip', args, { timeoutMs: PROGRAM_TIMEOUT_MS });
}

function mustIp(args: string[]) {
  return mustRun('ip', args, { timeoutMs: PROGRAM_TIMEOUT_MS });
}
