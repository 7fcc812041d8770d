/**
 * Which Docker engine a cluster uses: the one that holds its sessions, else the first that answers, else one of its own.
 *
 * WORKTRAIL_DOCKER_SOCKET is an order: an engine that does not answer there is an error. So is the engine of an earlier start that
 * does not answer: sessions keep their files in its volumes, and another one would have none of them.
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

/** What an earlier start used. */
export type RememberedEngine = { kind: 'found'; socket: string } | { kind: 'own' };

/** In the order in which they are tried; when none answers, the cluster gets its own engine at `ownSocket`. */
export function engineCandidates(
  env: NodeJS.ProcessEnv,
  remembered: RememberedEngine | null,
  ownSocket: string,
): EngineCandidate[] {
  const ordered = env.WORKTRAIL_DOCKER_SOCKET;
  if (ordered) return [{ socket: ordered, source: 'WORKTRAIL_DOCKER_SOCKET', required: true }];
  if (remembered?.kind === 'found') {
    return [{ socket: remembered.socket, source: 'which holds the sessions of earlier starts', required: true }];
  }
  const own = { socket: ownSocket, source: 'left running in the state directory', required: false };
  if (remembered?.kind === 'own') return [own];
  const host = env.DOCKER_HOST;
  const named = host?.startsWith('unix://') ? [host.slice('unix://'.length)] : [];
  return [
    own,
    ...named.map((socket) => ({ socket, source: 'DOCKER_HOST', required: false })),
    { socket: '/var/run/docker.sock', source: 'the default socket', required: false },
  ];
}

/** Null when none answers and none is required. */
export async function findEngine(candidates: EngineCandidate[]): Promise<Engine | null> {
  for (const { socket, source, required } of candidates) {
    const version = await engineVersion(socket);
    if (version !== null) return { socket, version, source };
    if (required) {
      throw new Error(
        `No Docker engine answers at ${socket} (${source}). Start it, or set WORKTRAIL_DOCKER_SOCKET to the socket of another one.`,
      );
    }
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
