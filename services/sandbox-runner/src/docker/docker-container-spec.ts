// A sandbox's container as Docker is asked to make it: everything that confines it stands here.
//
// 1. The supervisor is the only process that starts as root, with SETUID, SETGID and KILL and nothing else; nobody can gain privileges.
// 2. No network of Docker's (egress/sandbox-network.ts is all there may be), no Docker socket, no device, no host path but the run directory (root only), the supervisor and the
//    upstream objects, both read-only, and the session's own checkpoint directory.
// 3. The root file system is read-only. /tmp is writable and counts against the sandbox's memory; work tree and home are writable and lie
//    on the host's disk, where no limit of the sandbox's own bounds them (disk-space.ts).
// 4. Every object names its owner.

import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { homePath, workspacePath } from '@worktrail/contract/environment-variables';
import { shortId } from '@worktrail/contract/ids';
import type { ContainerCreateOptions, MountSettings } from 'dockerode';
import { nameServerAddress, relayPorts } from '../egress/sandbox-network.ts';
import type { ContainerSpec } from './sandbox-driver.ts';

/** Of whom commands run as in every sandbox, and everything in its volumes is. */
export const sandboxUser = 1000;

export const sandboxPaths = {
  supervisor: '/worktrail/supervisor',
  run: '/worktrail/run',
  /** Only with control lines by exec: a tmpfs for the FIFO. */
  control: '/worktrail/control',
  upstreamObjects: '/worktrail/upstream/objects',
  checkpoints: '/worktrail/checkpoints',
} as const;

/** Between TERM and KILL of the commands when the container is told to stop. */
export const stopGraceMs = 3_000;

/** Before the host's own processes; below the 500 that the supervisor gives each command, so that a command goes before it. */
const oomScore = 250;

export const sessionLabel = 'worktrail.session';
export const organizationLabel = 'worktrail.organization';
export const generationLabel = 'worktrail.generation';

export interface DockerOwner {
  clusterId: string;
  runnerId: string;
}

export interface HostFacts {
  cpus: number;
  supervisorPath: string;
  /** How control lines reach the supervisor. */
  control: 'fifo' | 'exec';
}

export function ownerLabels(owner: DockerOwner, ref: SandboxRef): Record<string, string> {
  return {
    ...ownerFilter(owner),
    [organizationLabel]: ref.organizationId,
    'worktrail.project': ref.projectId,
    [sessionLabel]: ref.sessionId,
    [generationLabel]: String(ref.generation),
  };
}

export function ownerFilter(owner: DockerOwner): Record<string, string> {
  return { 'worktrail.cluster': owner.clusterId, 'worktrail.runner': owner.runnerId };
}

function containerName(owner: DockerOwner, ref: SandboxRef): string {
  return `worktrail-${owner.clusterId}-${ref.sessionId}-${ref.generation}`;
}

/** Of the generation that made them: a later one goes on with them, unless they are out of date by then. */
export function volumeNames(clusterId: string, ref: SandboxRef): { workspace: string; home: string } {
  const stem = `worktrail-${clusterId}-${ref.sessionId}-${ref.generation}`;
  return { workspace: `${stem}-workspace`, home: `${stem}-home` };
}

export function containerOptions(spec: ContainerSpec, owner: DockerOwner, host: HostFacts): ContainerCreateOptions {
  const { resources } = spec;
  const memoryBytes = resources.memoryMb * 1024 * 1024;
  return {
    name: containerName(owner, spec.ref),
    Image: spec.image.id,
    Hostname: shortId(spec.ref.sessionId),
    User: '0:0',
    WorkingDir: '/',
    Entrypoint: [sandboxPaths.supervisor],
    Cmd: supervisorArguments(host, spec.hasNetwork),
    Labels: ownerLabels(owner, spec.ref),
    StopSignal: 'SIGTERM',
    AttachStdout: false,
    AttachStderr: false,
    HostConfig: {
      CapDrop: ['ALL'],
      CapAdd: ['SETUID', 'SETGID', 'KILL'],
      SecurityOpt: ['no-new-privileges'],
      NetworkMode: 'none',
      ...(spec.hasNetwork && { Dns: [nameServerAddress] }),
      ReadonlyRootfs: true,
      Init: false,
      Privileged: false,
      IpcMode: 'private',
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'none', Config: {} },
      PidsLimit: resources.pids,
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      NanoCpus: Math.round(Math.min(resources.cpus, host.cpus) * 1e9),
      OomScoreAdj: oomScore,
      // Open files are bounded by the engine's own limit.
      Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }],
      // Agents put executables there.
      Tmpfs: temporaryFileSystems(host, memoryBytes),
      Mounts: mounts(spec, host),
      ...(spec.runtime === 'runc' ? {} : { Runtime: spec.runtime }),
    },
  };
}

function supervisorArguments(host: HostFacts, hasNetwork: boolean): string[] {
  return [
    ...['--stop-grace-ms', String(stopGraceMs)],
    ...(host.control === 'exec' ? ['--control-dir', sandboxPaths.control] : []),
    ...(hasNetwork ? ['--relay-port', String(relayPorts.proxy)] : []),
  ];
}

function temporaryFileSystems(host: HostFacts, memoryBytes: number): Record<string, string> {
  // What is in /tmp is in the sandbox's memory: where all of it could be, no command could run any more, not even to remove it.
  const tmp = { '/tmp': `rw,exec,nosuid,nodev,mode=1777,size=${Math.floor(memoryBytes / 2)}` };
  return host.control === 'exec' ? { ...tmp, [sandboxPaths.control]: 'rw,noexec,nosuid,nodev,mode=0700,size=1m' } : tmp;
}

function mounts(spec: ContainerSpec, host: HostFacts): MountSettings[] {
  const volume = (source: string, target: string): MountSettings => ({
    Type: 'volume',
    Source: source,
    Target: target,
    // What an image has at this path would bring its own owners.
    VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: '', Options: {} } },
  });
  const bind = (source: string, target: string, readOnly: boolean): MountSettings => ({
    Type: 'bind',
    Source: source,
    Target: target,
    ReadOnly: readOnly,
    BindOptions: { Propagation: 'private' },
  });
  return [
    volume(spec.volumes.workspace, workspacePath),
    volume(spec.volumes.home, homePath),
    bind(host.supervisorPath, sandboxPaths.supervisor, true),
    bind(spec.runDirectory, sandboxPaths.run, false),
    bind(spec.upstreamObjects, sandboxPaths.upstreamObjects, true),
    bind(spec.checkpointDirectory, sandboxPaths.checkpoints, false),
  ];
}
