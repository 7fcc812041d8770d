// Files that an agent has read and written for it, inside its sandbox, as the API reads and writes them.

import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { workspacePath } from '@worktrail/contract/environment-variables';
import { idFrom } from '@worktrail/contract/ids';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { EditRefused } from '../agent-tools/edit-text.ts';
import { readText, refusalOf, requirePath } from '../agent-tools/text-file.ts';
import type { FileChanges } from '../files/file-change.ts';
import type { LiveFiles } from '../files/live-files.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { ServedRequest } from './agent-effects.ts';

const source = 'agent_protocol';

export interface AgentFiles {
  /** `id`: the same request has the same; done again it comes to the same. */
  serve(
    sandbox: OpenSandbox,
    request: ServedRequest,
    id: { key: string; timeMs: number },
    signal: AbortSignal,
  ): Promise<Served>;
}

export type Served = { output: object; events: EventPayloadInit[] } | { refusal: string };

export function createAgentFiles({ live, changes }: { live: LiveFiles; changes: FileChanges }): AgentFiles {
  async function read(
    sandbox: OpenSandbox,
    { path: given, firstLine, lines }: Extract<ServedRequest, { what: 'read' }>,
    signal: AbortSignal,
  ): Promise<Served> {
    const path = pathInTree(given);
    const { text } = await readText(live, sandbox, path, signal);
    const all = text.split(/(?<=\n)/);
    const before = all.slice(0, firstLine - 1).join('');
    const shown = all.slice(firstLine - 1, lines === null ? undefined : firstLine - 1 + lines).join('');
    const bytes = Buffer.from(shown);
    const value = {
      path,
      offset: BigInt(Buffer.byteLength(before)),
      length: BigInt(bytes.length),
      sha256: createHash('sha256').update(bytes).digest('hex'),
      source,
    };
    return { output: { content: shown }, events: [{ case: 'fileRead', value }] };
  }

  async function write(
    sandbox: OpenSandbox,
    { path: given, content }: Extract<ServedRequest, { what: 'write' }>,
    { key, timeMs }: { key: string; timeMs: number },
    signal: AbortSignal,
  ): Promise<Served> {
    const path = pathInTree(given);
    requirePath(path);
    const changeId = idFrom('event', timeMs, createHash('sha256').update(key).digest());
    const order = { changeId, path, executable: null, expected: null, bytes: Buffer.from(content) };
    const { status, additions, deletions, ...made } = await changes.changeTo(sandbox, order, signal);
    if (status === 'unchanged') return { output: {}, events: [] };
    const file = { ...made, path, status, additions: BigInt(additions), deletions: BigInt(deletions) };
    return { output: {}, events: [{ case: 'filesChanged', value: { source, files: [file] } }] };
  }

  return {
    async serve(sandbox, request, id, signal) {
      try {
        return await (request.what === 'read' ? read(sandbox, request, signal) : write(sandbox, request, id, signal));
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal === undefined) throw error;
        return { refusal };
      }
    },
  };
}

/** @throws EditRefused for what is not in the work tree. */
export function pathInTree(given: string): string {
  const path = posix.relative(workspacePath, posix.resolve(workspacePath, given));
  if (path === '' || path === '..' || path.startsWith('../')) throw new EditRefused(`it is not below ${workspacePath}`);
  return path;
}
