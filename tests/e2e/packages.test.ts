// environment.packages: an image with a project's own packages, built once. A build takes about a minute, so there is one: `tree`
// depends on nothing that the base image lacks, and what is refused is refused meanwhile. The image is removed at the end, so that
// each run builds it anew.

import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApi } from './api.ts';
import { makeRepository } from './repository.ts';

const buildTimeoutMs = 600_000;
const api = createApi(inject('apiUrl'), inject('apiKey'));
const docker = new Docker({ socketPath: inject('dockerSocket') });
const sessionIds: string[] = [];
let imageId: string | undefined;
let repositoryPath: string;

beforeAll(async () => {
  repositoryPath = (await makeRepository(join(inject('repositoryRoot'), 'packages'), 3)).path;
});

afterAll(async () => {
  await Promise.all(sessionIds.map((sessionId) => api.post(`/v1/sessions/${sessionId}/archive`)));
  if (imageId) await docker.getImage(imageId).remove({ force: true });
});

async function projectWith(...packages: string[]): Promise<string> {
  const body = { name: packages.join(' '), repository: { url: repositoryPath }, environment: { packages } };
  return (await api.make('/v1/projects', body)).id;
}

/** Answered once it is ready or failed. */
async function newSession(projectId: string): Promise<any> {
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, {});
  sessionIds.push(session.id);
  return session;
}

async function imageOf(sessionId: string): Promise<string | undefined> {
  const filters = { label: [`worktrail.session=${sessionId}`] };
  return (await docker.listContainers({ filters }))[0]?.ImageID;
}

test.concurrent(
  'packages are installed into one image that every session of the project starts from',
  async () => {
    const projectId = await projectWith('tree');
    const together = await Promise.all([newSession(projectId), newSession(projectId)]);
    const later = await newSession(projectId);
    expect([...together, later].map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
    const images = await Promise.all([...together, later].map(({ id }) => imageOf(id)));
    imageId = images[0];
    // A second build would be another image: it carries the time at which it was made.
    expect([...new Set(images)]).toEqual([expect.stringMatching(/^sha256:/)]);
    const run = { command: 'tree --noreport -L 1' };
    const command = await api.make(`/v1/sessions/${later.id}/commands?waitSeconds=280`, run);
    expect(command).toMatchObject({ exitCode: 0, output: { text: expect.stringContaining(' README.md') } });
  },
  buildTimeoutMs,
);

test.concurrent(
  'a package that does not exist fails the session, by name, and leaves no container',
  async () => {
    const session = await newSession(await projectWith('no-such-package-at-all'));
    expect(session.state).toBe('failed');
    expect(session.failure.code).toBe('packages_failed');
    expect(session.failure.detail).toContain('no-such-package-at-all');
    expect(await imageOf(session.id)).toBeUndefined();
  },
  buildTimeoutMs,
);
