// What a runner needs of a container engine. The only implementation is Docker's; placement, sandboxes and commands know just this.
//
// Every object made through it carries the labels of its owner, and only objects with this cluster's and this runner's labels are
// ever listed.

import type { Environment } from '@worktrail/contract/environment';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';

export interface SandboxImage {
  /** Content id; containers are made from it, so that a tag that moves changes nothing. */
  id: string;
  /** `NAME=value` */
  env: string[];
  labels: Record<string, string>;
}

export interface ContainerSpec {
  ref: SandboxRef;
  image: SandboxImage;
  resources: Environment['resources'];
  runtime: Environment['runtime'];
  volumes: { workspace: string; home: string };
  runDirectory: string;
  /** Shared with the sandbox's user. */
  checkpointDirectory: string;
  /** Its supervisor relays to a socket in the run directory (egress/sandbox-network.ts). */
  hasNetwork: boolean;
  /** The mirror's objects on the host; absent where the work tree does not borrow any. */
  upstreamObjects: string;
}

export interface OwnedContainer {
  id: string;
  sessionId: string;
  generation: number;
  running: boolean;
}

export interface OwnedVolume {
  name: string;
  sessionId: string;
}

/** As its labels say, which anybody with access to the engine can have written. */
export interface OwnedObject {
  kind: 'container' | 'volume' | 'network';
  /** The engine's id, for a volume its name. */
  name: string;
  organizationId: string | null;
  sessionId: string | null;
  generation: number | null;
}

export interface ExitHandlers {
  onExit(containerId: string): void;
  onResync(): Promise<void>;
}

export interface SandboxDriver {
  /** Rejects when the engine does not answer within seconds. */
  ping(): Promise<void>;
  /** Where volumes are, if that is a directory of this host. */
  storagePath(): Promise<string>;
  /** Undefined when the engine does not have it. */
  findImage(name: string): Promise<SandboxImage | undefined>;
  pullImage(name: string, timeoutMs: number): Promise<void>;
  /** Makes an image from the tar of a root file system. */
  importImage(name: string, tarPath: string, options: { env: string[]; labels: Record<string, string> }): Promise<void>;
  /** Makes the volume or finds it; answers its directory on the host. */
  createVolume(name: string, ref: SandboxRef): Promise<string>;
  /** Its directory, as the engine names it; undefined where there is no such volume. */
  findVolume(name: string): Promise<string | undefined>;
  removeVolume(name: string): Promise<void>;
  /** @throws SessionFailure `runtime_unavailable`. */
  createContainer(spec: ContainerSpec): Promise<string>;
  startContainer(containerId: string): Promise<void>;
  isRunning(containerId: string): Promise<boolean>;
  /** Path of a running container's network namespace on the host. */
  networkNamespace(containerId: string): Promise<string>;
  /** Resolves with a description once the container has stopped. */
  waitForExit(containerId: string, signal: AbortSignal): Promise<string>;
  /** Stops within the grace and removes; what is gone already is fine. */
  removeContainer(containerId: string, options?: { graceMs?: number }): Promise<void>;
  /** Of one session, or of all. */
  listContainers(sessionId?: string): Promise<OwnedContainer[]>;
  /** Of one session, or of all. */
  listVolumes(sessionId?: string): Promise<OwnedVolume[]>;
  /** Everything with this cluster's and this runner's labels. */
  listOwned(): Promise<OwnedObject[]>;
  /** Tags of a repository's images that no container is of. */
  listUnusedImages(repository: string): Promise<string[]>;
  removeNetwork(id: string): Promise<void>;
  /** Gives a supervisor a control line by running its binary in the container. */
  sendControlLine(containerId: string, line: string): Promise<void>;
  /**
   * Reports each container of this runner that stops. `onResync` is called whenever some may have been missed, and called again
   * until it resolves.
   */
  watchExits(handlers: ExitHandlers, signal: AbortSignal): void;
}
