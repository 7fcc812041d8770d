// Sandboxes as containers of a Docker engine on this host (see docker-container-spec.ts for what confines them).
//
// 1. Removing what is not there succeeds; making a volume that is there finds it.
// 2. At most `startsAtOnceMax` containers start at once.
// 3. An engine that does not answer is an ordinary error: trying again can help.

import { createReadStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import Docker from 'dockerode';
import {
  containerOptions,
  type DockerOwner,
  type HostFacts,
  ownerFilter,
  ownerLabels,
  sandboxPaths,
  sessionLabel,
} from './docker-container-spec.ts';
import { listOwnedObjects, listUnusedImages } from './docker-owned.ts';
import type { ExitHandlers, SandboxDriver, SandboxImage } from './sandbox-driver.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import { createStartGate } from '../host/start-gate.ts';

const eventsRetryMs = 500;
const pingTimeoutMs = 3_000;

export interface DockerDriverOptions extends DockerOwner {
  socketPath: string;
  supervisorPath: string;
  control: HostFacts['control'];
  startsAtOnceMax: number;
}

export function createDockerDriver(options: DockerDriverOptions): SandboxDriver {
  const docker = new Docker({ socketPath: options.socketPath });
  const { supervisorPath, control, startsAtOnceMax } = options;
  const owner: DockerOwner = options;
  let cpus: number | undefined;
  const hostFacts = async (): Promise<HostFacts> => {
    cpus ??= ((await docker.info()) as { NCPU: number }).NCPU;
    return { cpus, supervisorPath, control };
  };
  const startGate = createStartGate(startsAtOnceMax);
  const filters = { label: Object.entries(ownerFilter(owner)).map(([name, value]) => `${name}=${value}`) };
  const ownedBy = (sessionId: string | undefined) =>
    sessionId === undefined ? filters : { label: [...filters.label, `${sessionLabel}=${sessionId}`] };
  return {
    async ping() {
      const options: object = { abortSignal: AbortSignal.timeout(pingTimeoutMs) };
      // The types of dockerode know no options here.
      await (docker.ping as (options: object) => Promise<unknown>).call(docker, options);
    },
    storagePath: async () => ((await docker.info()) as { DockerRootDir: string }).DockerRootDir,
    findImage: (name) => unlessMissing(async () => imageOf(await docker.getImage(name).inspect())),
    async pullImage(name, timeoutMs) {
      await followProgress(docker, await docker.pull(name, { abortSignal: AbortSignal.timeout(timeoutMs) }));
    },
    async importImage(name, tarPath, { env, labels }) {
      const [repo, tag] = splitTag(name);
      const changes = [
        ...env.map((entry) => `ENV ${entry.replace('=', '="').replaceAll('$', '\\$')}"`),
        ...Object.entries(labels).map(([label, value]) => `LABEL ${label}=${JSON.stringify(value)}`),
      ];
      await followProgress(docker, await docker.importImage(createReadStream(tarPath), { repo, tag, changes }));
    },
    async createVolume(name, ref) {
      await docker.createVolume({ Name: name, Labels: ownerLabels(owner, ref) });
      return (await docker.getVolume(name).inspect()).Mountpoint;
    },
    findVolume: async (name) => (await unlessMissing(() => docker.getVolume(name).inspect()))?.Mountpoint,
    async removeVolume(name) {
      await unlessMissing(() => docker.getVolume(name).remove({ force: true }));
    },
    async createContainer(spec) {
      const wanted = containerOptions(spec, owner, await hostFacts());
      try {
        return (await docker.createContainer(wanted)).id;
      } catch (error) {
        throw refusal(error, spec.runtime);
      }
    },
    async startContainer(containerId) {
      await startGate.run(() => docker.getContainer(containerId).start());
    },
    async isRunning(containerId) {
      const found = await unlessMissing(() => docker.getContainer(containerId).inspect());
      return found?.State.Running === true;
    },
    async networkNamespace(containerId) {
      return (await docker.getContainer(containerId).inspect()).NetworkSettings.SandboxKey;
    },
    async waitForExit(containerId, signal) {
      const container = docker.getContainer(containerId);
      const { StatusCode } = (await container.wait({ abortSignal: signal, condition: 'not-running' })) as {
        StatusCode: number;
      };
      const { State } = await container.inspect();
      return `it stopped with code ${StatusCode}${State.OOMKilled ? ', out of memory' : ''} ${State.Error}`.trim();
    },
    async removeContainer(containerId, { graceMs = 0 } = {}) {
      const container = docker.getContainer(containerId);
      if (graceMs > 0) await unlessMissing(() => container.stop({ t: Math.ceil(graceMs / 1000) }));
      await unlessMissing(() => container.remove({ force: true, v: true }));
    },
    async listContainers(sessionId) {
      const found = await docker.listContainers({ all: true, filters: ownedBy(sessionId) });
      return found.map(({ Id, Labels, State }) => ({
        id: Id,
        sessionId: Labels[sessionLabel] ?? '',
        generation: Number(Labels['worktrail.generation']),
        running: State === 'running',
      }));
    },
    async listVolumes(sessionId) {
      const { Volumes } = await docker.listVolumes({ filters: ownedBy(sessionId) });
      return (Volumes ?? []).map(({ Name, Labels }) => ({
        name: Name,
        sessionId: Labels?.[sessionLabel] ?? '',
      }));
    },
    listOwned: () => listOwnedObjects(docker, filters),
    listUnusedImages: (repository) => listUnusedImages(docker, repository),
    async removeNetwork(id) {
      await unlessMissing(() => docker.getNetwork(id).remove());
    },
    async sendControlLine(containerId, line) {
      const exec = await docker.getContainer(containerId).exec({
        Cmd: [sandboxPaths.supervisor, 'ctl', sandboxPaths.control, line],
        User: '0:0',
        AttachStdout: true,
        AttachStderr: true,
      });
      const stream = await exec.start({});
      stream.resume();
      await new Promise((resolve) => stream.once('close', resolve));
      const { ExitCode } = await exec.inspect();
      if (ExitCode !== 0) throw new Error(`the supervisor did not take a control line (exit code ${ExitCode})`);
    },
    watchExits(handlers, signal) {
      void followExits(docker, filters, handlers, signal);
    },
  };
}

async function followExits(
  docker: Docker,
  filters: { label: string[] },
  handlers: ExitHandlers,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const attempt = new AbortController();
    try {
      const stream = await docker.getEvents({
        filters: { ...filters, type: ['container'], event: ['die'] },
        abortSignal: AbortSignal.any([signal, attempt.signal]),
      });
      await handlers.onResync();
      for await (const line of linesOf(stream)) {
        const id = (JSON.parse(line) as { Actor?: { ID?: string } }).Actor?.ID;
        if (id) handlers.onExit(id);
      }
    } catch {
      // The engine is away, or what was missed could not be found out, or the lifetime ends: the loop's condition decides.
    } finally {
      attempt.abort();
    }
    if (!signal.aborted) await delay(eventsRetryMs, undefined, { signal }).catch(() => undefined);
  }
}

async function* linesOf(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line.trim() !== '');
  }
}

function imageOf(found: Docker.ImageInspectInfo): SandboxImage {
  return { id: found.Id, env: found.Config.Env ?? [], labels: found.Config.Labels ?? {} };
}

function splitTag(name: string): [repo: string, tag: string] {
  const colon = name.lastIndexOf(':');
  return [name.slice(0, colon), name.slice(colon + 1)];
}

async function followProgress(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
  });
}

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}

/** Undefined when the engine says that there is no such object. */
async function unlessMissing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    // 304: stopped already. 409: its removal is under way.
    if ([404, 304].includes(statusOf(error) ?? 0)) return undefined;
    if (statusOf(error) === 409 && /removal of container .* is already in progress/.test(String(error)))
      return undefined;
    throw error;
  }
}

function refusal(error: unknown, runtime: string): unknown {
  if (!/unknown or invalid runtime|unknown runtime/i.test(String(error))) return error;
  return new SessionFailure('runtime_unavailable', `the runner's container engine has no runtime "${runtime}"`, {
    cause: error,
  });
}
