// How many commands of an organization and of a project run here at once: those beyond wait for their turn.
//
// 1. An organization's commands begin in the order in which they came, but for those whose project has all its own; organizations take
//    turns. What one organization has waiting does not delay another's.
// 2. A command that runs already, started by an earlier process, counts at once, beyond the bound too.
// 3. Who gives up waiting is taken out of the line at once.
// 4. A line has a bound: whoever comes beyond it is refused, and tries again later. Each that waits holds one of the activities that a
//    runner can have at once.

const lineMax = 300;

/** The line of its organization is full. */
export class LineFull extends Error {
  override readonly name = 'LineFull';
}

export interface TurnQuotas {
  /** null: any number. */
  perOrganizationMax: number | null;
  perProjectMax: number | null;
}

export interface TurnOwner {
  organizationId: string;
  projectId: string;
}

/** Gives the turn back; more than once is once. */
export type EndTurn = () => void;

export interface CommandTurns {
  /** Resolves when it may begin. @throws LineFull, and the signal's reason */
  wait(owner: TurnOwner, signal: AbortSignal): Promise<EndTurn>;
  /** For one that runs already. */
  take(owner: TurnOwner): EndTurn;
  waiting(): number;
}

interface Waiting extends TurnOwner {
  begin(): void;
}

export function createCommandTurns({ perOrganizationMax, perProjectMax }: TurnQuotas): CommandTurns {
  const running = { organizations: new Map<string, number>(), projects: new Map<string, number>() };
  /** By organization; the one whose turn is next comes first. */
  const lines = new Map<string, Waiting[]>();

  const isBelow = (counts: ReadonlyMap<string, number>, id: string, max: number | null) =>
    max === null || (counts.get(id) ?? 0) < max;
  const mayBegin = ({ organizationId, projectId }: TurnOwner) =>
    isBelow(running.organizations, organizationId, perOrganizationMax) &&
    isBelow(running.projects, projectId, perProjectMax);

  function take({ organizationId, projectId }: TurnOwner): EndTurn {
    add(running.organizations, organizationId, 1);
    add(running.projects, projectId, 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      add(running.organizations, organizationId, -1);
      add(running.projects, projectId, -1);
      beginNext();
    };
  }

  /** One of each line in turn, until none may begin. */
  function beginNext(): void {
    for (let begun = true; begun; ) {
      begun = false;
      for (const [organizationId, line] of [...lines]) {
        const next = line.find(mayBegin);
        if (next === undefined) continue;
        begun = true;
        leave(next);
        const rest = lines.get(organizationId);
        if (rest && lines.delete(organizationId)) lines.set(organizationId, rest);
        next.begin();
      }
    }
  }

  function leave(waiting: Waiting): void {
    const rest = (lines.get(waiting.organizationId) ?? []).filter((one) => one !== waiting);
    if (rest.length > 0) lines.set(waiting.organizationId, rest);
    else lines.delete(waiting.organizationId);
  }

  return {
    take,
    async wait(owner, signal) {
      signal.throwIfAborted();
      const line = lines.get(owner.organizationId) ?? [];
      if (mayBegin(owner) && !line.some(({ projectId }) => projectId === owner.projectId)) return take(owner);
      if (line.length >= lineMax) throw new LineFull(`${lineMax} commands of the organization wait on this runner`);
      const { promise, resolve, reject } = Promise.withResolvers<EndTurn>();
      const waiting: Waiting = { ...owner, begin: () => resolve(take(owner)) };
      const giveUp = () => {
        leave(waiting);
        reject(signal.reason as Error);
      };
      lines.set(owner.organizationId, [...line, waiting]);
      signal.addEventListener('abort', giveUp, { once: true });
      try {
        return await promise;
      } finally {
        signal.removeEventListener('abort', giveUp);
      }
    },
    waiting: () => [...lines.values()].reduce((sum, line) => sum + line.length, 0),
  };
}

function add(counts: Map<string, number>, id: string, change: number): void {
  const count = (counts.get(id) ?? 0) + change;
  if (count > 0) counts.set(id, count);
  else counts.delete(id);
}
