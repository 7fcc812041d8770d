// Who may do what: one table from actions to scopes, one function that decides.
//
// 1. A resource of another organization does not exist for the asker: 404, never 403.
// 2. An action whose scope the key lacks is 403 `scope_missing`.

import { WorktrailError } from '@worktrail/contract/errors';
import { notFound } from './problem.ts';

export const scopes = ['read', 'run', 'approve', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** Who asks, by the key that was shown. */
export interface Principal {
  kind: 'user' | 'service' | 'operator';
  id: string;
  organizationId: string;
  keyId: string;
  scopes: readonly Scope[];
}

const scopeByAction = {
  'me.read': null,
  'principal.create': 'admin',
  'principal.read': 'admin',
  'key.create': 'admin',
  'key.read': 'admin',
  'key.delete': 'admin',
  'audit.read': 'admin',
  'project.create': 'admin',
  'project.update': 'admin',
  'project.delete': 'admin',
  'project.read': 'read',
  'secret.write': 'admin',
  'credential.write': 'admin',
  'task.create': 'run',
  'task.update': 'run',
  'task.read': 'read',
  'suggestion.scan': 'run',
  'suggestion.decide': 'run',
  'suggestion.read': 'read',
  'trial.create': 'run',
  'trial.cancel': 'run',
  'trial.read': 'read',
  'session.create': 'run',
  'session.update': 'run',
  'session.archive': 'run',
  'session.hibernate': 'run',
  'session.resume': 'run',
  'session.revert': 'run',
  'session.fork': 'run',
  'session.bring_main': 'run',
  'session.read': 'read',
  'checkpoint.create': 'run',
  'checkpoint.read': 'read',
  'file.read': 'read',
  'file.write': 'run',
  'proposal.create': 'run',
  'proposal.read': 'read',
  'proposal.approve': 'approve',
  'proposal.reject': 'approve',
  // The policy decides what is merged, not who asks for it; and the author may take a proposal back.
  'proposal.merge': ['approve', 'run'],
  'proposal.close': ['approve', 'run'],
  'turn.create': 'run',
  'turn.read': 'read',
  'permission.answer': 'run',
  'model.read': 'read',
  'command.create': 'run',
  'command.control': 'run',
  'command.read': 'read',
  'event.read': 'read',
  'git.read': 'read',
  'context.read': 'read',
  // It is written into the session's history.
  'context.refer': 'run',
  'runner.read': 'read',
  'runner.drain': 'admin',
  'doctor.read': 'admin',
  'doctor.fix': 'admin',
  'limits.read': 'read',
  'config.read': 'admin',
  'trace.query': 'read',
  'retention.read': 'read',
  'retention.write': 'admin',
  // They take the history of all projects elsewhere.
  'webhook.read': 'admin',
  'webhook.write': 'admin',
  'history.import': 'admin',
} as const satisfies Record<string, Scope | readonly Scope[] | null>;

export type Action = keyof typeof scopeByAction;

/** One of them is needed; none: any key of the organization will do. */
export function sufficientScopes(action: Action): readonly Scope[] {
  return [scopeByAction[action] ?? []].flat();
}

/** @throws when the principal may not do this to the resource. */
export function authorize(
  principal: Principal,
  action: Action,
  resource: { id: string; organizationId: string },
): void {
  if (resource.organizationId !== principal.organizationId) throw notFound(resource.id);
  const sufficient = sufficientScopes(action);
  if (sufficient.length > 0 && !sufficient.some((scope) => principal.scopes.includes(scope))) {
    throw new WorktrailError(
      'scope_missing',
      `${action} needs the scope ${sufficient.join(' or ')}; the key ${principal.keyId} has ${principal.scopes.join(', ') || 'none'}`,
    );
  }
}
