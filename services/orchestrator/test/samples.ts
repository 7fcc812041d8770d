// Session and command specifications as the gateway would send them.

import { type WebhookDocument, webhookKey } from '@worktrail/contract/webhooks';
import { createSecretBox } from '@worktrail/runtime/secret-box';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { ForkPoint } from '@worktrail/contract/forks';
import { newId } from '@worktrail/contract/ids';
import type { SessionSpec } from '@worktrail/contract/session-messages';
import { permissionsDefault, type TurnLimits, turnLimitsDefault } from '@worktrail/contract/agents';
import type { TurnSpec } from '@worktrail/contract/turns';

export function sampleSession(changes: Partial<SessionSpec> = {}): SessionSpec {
  return {
    organizationId: newId('organization'),
    projectId: newId('project'),
    sessionId: newId('session'),
    taskId: null,
    trialId: null,
    partition: 0,
    title: 'Try something',
    labels: {},
    repository: { url: '/srv/repository', defaultBranch: 'main' },
    baseRef: null,
    branch: 'worktrail/try-something-12345678',
    environment: {
      image: null,
      packages: [],
      env: {},
      setup: [],
      persist: [],
      network: { mode: 'none', allow: [] },
      runtime: 'runc',
      runnerLabels: {},
      resources: { cpus: 1, memoryMb: 512, pids: 128, outputBytesMax: 1_000_000 },
    },
    env: {},
    cancelGraceSeconds: 5,
    hibernateAfterSeconds: 0,
    archiveBytesMax: 1_000_000,
    createdAt: '2026-01-01T00:00:00.000Z',
    createdBy: { kind: 'user', id: 'prn_someone' },
    ...changes,
  };
}

/** A fork of a session, as the gateway makes it of what its workflow has answered. */
export function sampleFork(
  { organizationId, projectId, sessionId: parentId, branch }: SessionSpec,
  { baseCommit, checkpoint, bundles, headCommit }: ForkPoint,
  sessionId: string,
): SessionSpec {
  const inherited = [{ sessionId: parentId, branch, upTo: '1-1' }];
  const restore = { baseCommit, checkpoint, bundles, archive: null };
  const fork = { sessionId: parentId, inherited, restore, headCommit };
  return sampleSession({ organizationId, projectId, sessionId, branch: 'worktrail/fork-87654321', fork });
}

export function withSetup(setup: string[]): SessionSpec {
  const spec = sampleSession();
  return { ...spec, environment: { ...spec.environment, setup } };
}

export function sampleTurn(text: string, limits: Partial<TurnLimits> = {}): TurnSpec {
  return {
    id: newId('turn'),
    text,
    agent: {
      ...{ kind: 'built_in', model: 'custom/scripted', command: '' },
      ...{ permissions: permissionsDefault, limits: { ...turnLimitsDefault, ...limits } },
    },
    actor: { kind: 'user', id: 'prn_someone' },
    queuedAt: '2026-01-01T00:00:00.000Z',
  };
}

export function sampleCommand(command: string, changes: Partial<CommandSpec> = {}): CommandSpec {
  return {
    id: newId('command'),
    command,
    cwd: '',
    env: {},
    timeoutSeconds: null,
    stdin: '',
    background: false,
    origin: 'user',
    actor: { kind: 'user', id: 'prn_someone' },
    queuedAt: '2026-01-01T00:00:00.000Z',
    ...changes,
  };
}

/** To an address that may not be reached. */
export function sampleWebhook(organizationId: string): WebhookDocument {
  const id = newId('webhook');
  return {
    ...{ id, organizationId, url: 'https://127.0.0.1:9/hook', types: ['session.created'], projectId: null },
    ...{ description: '', enabled: true, disabledReason: null },
    sealedSecret: createSecretBox(Buffer.alloc(32)).seal('whsec_c2VjcmV0', webhookKey(organizationId, id)),
    ...{ createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z' },
  };
}
