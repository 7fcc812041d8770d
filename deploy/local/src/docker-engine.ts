/**
 * Which Docker engine a cluster uses: the first that answers, else one of its own.
 *
 * WORKTRAIL_DOCKER_SOCKET is an order: an engine that does not answer there is an error. DOCKER_HOST (unix sockets only) and the
 * default socket are tried next.
 */
import { request } from 'node:http';

export interface Engine {
  socket: string;
  version: string;
  source: string;
}

export interface EngineCandidate {
  socket: string;
  source: string;
  required: boolean;
}

export function engineCandidates(env: NodeJS.ProcessEnv): EngineCandidate[] {
  if (env.WORKTRAIL_DOCKER_SOCKET) {
    return [
      {
        socket: env.WORKTRAIL_DOCKER_SOCKET,
        source: 'WORKTRAIL_DOCKER_SOCKET',
        required: true,
      },
    ];
  }
  const candidates: EngineCandidate[] = [];
  const host = env.DOCKER_HOST;
  if (host?.startsWith('unix://')) {
    candidates.push({
      socket: host.slice('unix://'.length),
      source: 'DOCKER_HOST',
      required: false,
    });
  }
  return [
    ...candidates,
    {
      socket: '/var/run/docker.sock',
      source: 'the default socket',
      required: false,
    },
  ];
}

/** Null when none answers and none is required. */
export async function findEngine(candidates: EngineCandidate[]): Promise<Engine | null> {
  for (const { socket, source, required } of candidates) {
    const version = await engineVersion(socket);
    if (version !== null) return { socket, version, source };
    if (required)
      throw new Error(`No Docker engine answers at ${socket} (${source}). Start one there, or unset ${source}.`);
  }
  return null;
}

/** The version of the engine behind a socket, or null when none answers within the time. */
export function engineVersion(socket: string, timeoutMs = 5_000): Promise<string | null> {
  return new Promise((resolve) => {
    const call = request({ socketPath: socket, path: '/version', timeout: timeoutMs }, (response) => {
      let body = '';
      response.on('data', (bytes) => (body += bytes));
      response.on('error', () => resolve(null));
      response.on('end', () => resolve(response.statusCode === 200 ? readVersion(body) : null));
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(null));
    call.on('close', () => resolve(null));
    call.end();
  });
}

function readVersion(body: string): string | null {
  try {
    const { Version } = JSON.parse(body) as { Version?: unknown };
    return typeof Version === 'string' ? Version : null;
  } catch {
    return null;
  }
}
