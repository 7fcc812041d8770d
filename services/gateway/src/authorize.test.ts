import { expect, test } from 'vitest';
import { authorize, type Principal, type Scope, sufficientScopes } from './authorize.ts';

const of = (...scopes: Scope[]): Principal => ({
  ...{ kind: 'user', id: 'prn_1', organizationId: 'org_1', keyId: 'key_1', scopes },
});
const ours = { id: 'ppl_1', organizationId: 'org_1' };

test('one of the scopes that will do is enough, and none of the others', () => {
  for (const scope of ['approve', 'run'] as const)
    expect(() => authorize(of('read', scope), 'proposal.merge', ours)).not.toThrow();
  expect(() => authorize(of('read', 'admin'), 'proposal.merge', ours)).toThrow('needs the scope approve or run');
  expect(() => authorize(of('read', 'run', 'admin'), 'proposal.approve', ours)).toThrow('needs the scope approve');
  expect(() => authorize(of(), 'me.read', ours)).not.toThrow();
  expect(sufficientScopes('me.read')).toEqual([]);
});

test('what is of another organization does not exist, whatever the scopes', () => {
  const theirs = { ...ours, organizationId: 'org_2' };
  expect(() => authorize(of('approve'), 'proposal.approve', theirs)).toThrow('does not exist');
});
