/** Removes every container of a cluster's own engine and keeps the volumes, so that no process outlives the engine. */
import Docker from 'dockerode';

const REMOVALS_AT_ONCE_MAX = 8;

export async function removeAllContainers(socket: string): Promise<number> {
  const docker = new Docker({ socketPath: socket, timeout: 10_000 });
  const containers = await docker.listContainers({ all: true });
  const waiting = [...containers];
  const removeNext = async (): Promise<void> => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      await docker.getContainer(next.Id).remove({ force: true, v: false }).catch(ignoreGone);
    }
  };
  await Promise.all(Array.from({ length: REMOVALS_AT_ONCE_MAX }, removeNext));
  return containers.length;
}

function ignoreGone(error: { statusCode?: number }): void {
  if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
}
