// The sandboxes that this process is attached to, and which sessions hold a container on this host.
//
// `lost` of a sandbox aborts once it is forgotten: its container is gone, or another one took its place.

import type { SandboxRecord, SessionDirectory } from './session-directory.ts';
import type { SupervisorLink } from '../supervision/supervisor-link.ts';

export interface OpenSandbox {
  readonly record: SandboxRecord;
  readonly directory: SessionDirectory;
  readonly containerId: string;
  readonly link: SupervisorLink;
  readonly bootId: string;
  /** Aborted once the container is gone. */
  readonly lost: AbortSignal;
}

/** What a session with a container takes of its host, for whom, since when. */
export interface SlotHolder {
  organizationId: string;
  memoryMb: number;
  openedMs: number;
}

export function slotHolder(record: Pick<SandboxRecord, 'organizationId' | 'memoryMb' | 'openedMs'>): SlotHolder {
  const { organizationId, memoryMb = 0, openedMs = 0 } = record;
  return { organizationId, memoryMb, openedMs };
}

export interface OpenSandboxes {
  find(sessionId: string): OpenSandbox | undefined;
  list(): OpenSandbox[];
  /** Takes the place of an earlier sandbox of the session. */
  remember(record: SandboxRecord, directory: SessionDirectory, bootId: string, link: SupervisorLink): OpenSandbox;
  /** The session holds no container here any more. */
  forget(sessionId: string): void;
  forgetContainer(containerId: string): void;
  /** Sessions that hold a container here, attached to or not. */
  readonly occupied: Map<string, SlotHolder>;
  /** Lets go of all without calling them lost. */
  close(): void;
}

export function createOpenSandboxes(): OpenSandboxes {
  const attached = new Map<string, { sandbox: OpenSandbox; lose: () => void }>();
  const occupied = new Map<string, SlotHolder>();

  function forget(sessionId: string): void {
    occupied.delete(sessionId);
    const known = attached.get(sessionId);
    if (!known) return;
    attached.delete(sessionId);
    known.lose();
    known.sandbox.link.close();
  }

  return {
    occupied,
    forget,
    find: (sessionId) => attached.get(sessionId)?.sandbox,
    list: () => [...attached.values()].map(({ sandbox }) => sandbox),
    remember(record, directory, bootId, link) {
      const { sessionId, containerId } = record;
      if (containerId === null) throw new Error(`the sandbox of ${sessionId} has no container`);
      forget(sessionId);
      const controller = new AbortController();
      const sandbox = { record, directory, containerId, link, bootId, lost: controller.signal };
      attached.set(sessionId, { sandbox, lose: () => controller.abort() });
      occupied.set(sessionId, slotHolder(record));
      return sandbox;
    },
    forgetContainer(containerId) {
      for (const { sandbox } of attached.values())
        if (sandbox.containerId === containerId) forget(sandbox.record.sessionId);
    },
    close() {
      for (const { sandbox } of attached.values()) sandbox.link.close();
      attached.clear();
    },
  };
}
