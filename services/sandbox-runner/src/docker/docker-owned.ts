// Everything on the engine that carries this cluster's and this runner's labels, as the reconciler looks at it; and images with
// packages that no container is of, whoever built them.

import type Docker from 'dockerode';
import { generationLabel, organizationLabel, sessionLabel } from './docker-container-spec.ts';
import type { OwnedObject } from './sandbox-driver.ts';

type Filters = { label: string[] };

export async function listOwnedObjects(docker: Docker, filters: Filters): Promise<OwnedObject[]> {
  const containers = await docker.listContainers({ all: true, filters });
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  const networks = await docker.listNetworks({ filters });
  return [
    ...containers.map(({ Id, Labels }) => owned('container', Id, Labels)),
    ...(volumes ?? []).map(({ Name, Labels }) => owned('volume', Name, Labels)),
    ...networks.map(({ Id, Labels }) => owned('network', Id, Labels)),
  ];
}

/** Tags of the repository whose images no container is of, running or not. */
export async function listUnusedImages(docker: Docker, repository: string): Promise<string[]> {
  const images = await docker.listImages({ filters: { reference: [repository] } });
  const used = new Set((await docker.listContainers({ all: true })).map(({ ImageID }) => ImageID));
  return images.filter(({ Id }) => !used.has(Id)).flatMap(({ RepoTags }) => RepoTags ?? []);
}

function owned(kind: OwnedObject['kind'], name: string, labels: Record<string, string> | undefined): OwnedObject {
  const generation = Number(labels?.[generationLabel]);
  return {
    kind,
    name,
    organizationId: labels?.[organizationLabel] ?? null,
    sessionId: labels?.[sessionLabel] ?? null,
    generation: Number.isSafeInteger(generation) ? generation : null,
  };
}
