import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NoPullRequests, pullRequestApi } from './pull-request-host.ts';

test('github.com and gitlab.com are known by their address', () => {
  expect(pullRequestApi('https://github.com/team/app.git', null)).toEqual({
    ...{ host: 'github', apiUrl: 'https://api.github.com', repository: 'team/app' },
  });
  expect(pullRequestApi('https://gitlab.com/group/sub/app', null)).toEqual({
    ...{ host: 'gitlab', apiUrl: 'https://gitlab.com/api/v4', repository: 'group/sub/app' },
  });
});

test('for another server the project says the host, and its API where it is not at the usual path', () => {
  const url = 'https://git.example.org:8443/team/app.git/';
  expect(pullRequestApi(url, { host: 'gitea' })).toMatchObject({ apiUrl: 'https://git.example.org:8443/api/v1' });
  expect(pullRequestApi(url, { host: 'github' })).toMatchObject({ apiUrl: 'https://git.example.org:8443/api/v3' });
  const below = { host: 'gitlab' as const, apiUrl: 'https://git.example.org/labs/api/v4/' };
  expect(pullRequestApi('https://git.example.org/labs/group/app.git', below)).toEqual({
    ...{ host: 'gitlab', apiUrl: 'https://git.example.org/labs/api/v4', repository: 'group/app' },
  });
  const cloud = { host: 'github' as const, apiUrl: 'https://api.octo.ghe.com' };
  expect(pullRequestApi('https://octo.ghe.com/team/app', cloud)).toMatchObject({ repository: 'team/app' });
});

const refused: [string, string, Parameters<typeof pullRequestApi>[1]][] = [
  ['approval.mergeMethod', '/srv/git/app.git', { host: 'github' }],
  ['approval.mergeMethod', 'git@github.com:team/app.git', null],
  ['approval.mergeMethod', 'git://github.com/team/app.git', null],
  ['approval.pullRequest.host', 'https://git.example.org/team/app.git', null],
  ['approval.pullRequest.host', 'https://github.com.example.org/team/app.git', null],
  ['approval.pullRequest.host', 'https://github.com/team/app', { host: 'gitea' }],
  ['approval.pullRequest.apiUrl', 'https://github.com/team/app', { host: 'github', apiUrl: 'https://evil.org/api/v3' }],
  ['approval.pullRequest.apiUrl', 'https://a.org/team/app', { host: 'gitea', apiUrl: 'http://a.org/api/v1' }],
  ['approval.pullRequest.apiUrl', 'https://a.org/team/app', { host: 'gitea', apiUrl: 'https://a.org:8443/api/v1' }],
  ['approval.pullRequest.apiUrl', 'https://a.org/team/app', { host: 'gitea', apiUrl: 'https://x@a.org/api/v1' }],
  ['approval.pullRequest.apiUrl', 'https://a.org/team/app', { host: 'gitea', apiUrl: 'https://a.org/api/v2' }],
  ['repository.url', 'https://github.com/app', null],
  ['repository.url', 'https://github.com/a/b/c', null],
  ['repository.url', 'https://gitlab.com/a/%2e%2e/b', null],
];

test.each(refused)('%s is named where %s has no pull requests', (path, url, settings) => {
  const call = () => pullRequestApi(url, settings);
  expect(call).toThrow(NoPullRequests);
  expect(call).toThrow(expect.objectContaining({ path }));
});

test('an API is never on a server that is not of the repository', () => {
  const host = fc.constantFrom('github' as const, 'gitlab' as const, 'gitea' as const);
  fc.assert(
    fc.property(fc.webUrl(), host, (apiUrl, of) => {
      try {
        const api = pullRequestApi('https://git.example.org/team/app', { host: of, apiUrl });
        expect(['https://git.example.org', 'https://api.git.example.org']).toContain(new URL(api.apiUrl).origin);
      } catch (error) {
        expect(error).toBeInstanceOf(NoPullRequests);
      }
    }),
  );
});
