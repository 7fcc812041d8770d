// The branch of a session: worktrail/<slug of its title>-<short id>.

import { shortId } from '@worktrail/contract/ids';

const slugLengthMax = 40;

export function branchName(title: string, sessionId: string): string {
  const slug = title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, slugLengthMax)
    .replace(/^-+|-+$/g, '');
  return `worktrail/${slug || 'session'}-${shortId(sessionId)}`;
}
