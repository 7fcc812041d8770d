// Who answers a message: the built-in agent, or one that speaks the Agent Client Protocol in the sandbox; what it may do, and how much.

export const agentKinds = ['built_in', 'opencode', 'gemini', 'codex', 'custom'] as const;
export type AgentKind = (typeof agentKinds)[number];

/** At each of these the turn ends with `limit_reached` and the limit's name as its reason. */
export interface TurnLimits {
  /** Calls of the model. */
  steps: number;
  /** Of all its calls together, in and out. */
  tokens: number;
  costUsd: number;
  /** From its start. */
  seconds: number;
}

/**
 * What a use of a tool does, as a policy knows it. The protocol's kinds: read, search and think are "read"; edit, delete and move are
 * "edit"; execute and fetch are themselves; everything else is "other".
 */
export const toolKinds = ['read', 'edit', 'execute', 'fetch', 'other'] as const;
export type ToolKind = (typeof toolKinds)[number];

export type PermissionRule = 'allow' | 'ask' | 'deny';
export type PermissionPolicy = Record<ToolKind, PermissionRule>;

/** The sandbox is the boundary: inside of it, an agent may do what its commands may. */
export const permissionsDefault: PermissionPolicy = {
  read: 'allow',
  edit: 'allow',
  execute: 'allow',
  fetch: 'allow',
  other: 'allow',
};

export interface AgentSpec {
  kind: AgentKind;
  /** As the operator has named it. Of one that is not built in: what it is told, '' leaves the choice to it. */
  model: string;
  /** How a "custom" one is started, with sh in the work tree; '' for the others. */
  command: string;
  permissions: PermissionPolicy;
  limits: TurnLimits;
  /** Of an agent that is not built in: so long without a word from it, and the turn is `failed`. Default: `silenceSecondsDefault`. */
  silenceSeconds?: number;
}

/** For the history: who acts. */
export function agentName({ kind, model }: Pick<AgentSpec, 'kind' | 'model'>): string {
  return kind === 'built_in' ? model : [kind, model].filter(Boolean).join(':');
}

/** The same, of all turns of a session together; null: no such limit. */
export type AgentLimits = { [Name in keyof TurnLimits]: number | null };

/** What the turns of a session took so far. */
export type AgentUsage = { [Name in keyof TurnLimits]: number };

/** `name`: of a session's, with "session_" before it. */
export interface ReachedLimit {
  name: string;
  detail: string;
}

const limitNames = { steps: 'steps', tokens: 'tokens', costUsd: 'cost', seconds: 'time' } as const;

/** The first that leaves no room for more; null: none. */
export function firstLimitReached(
  took: AgentUsage,
  limits: AgentLimits,
  whose: 'turn' | 'session',
): ReachedLimit | null {
  for (const name of ['steps', 'tokens', 'costUsd', 'seconds'] as const) {
    const limit = limits[name];
    if (limit !== null && took[name] >= limit)
      return { name: limitNames[name], detail: limitDetail(whose, name, limit) };
  }
  return null;
}

export function sessionLimitReached(took: AgentUsage, limits: AgentLimits): ReachedLimit | null {
  const reached = firstLimitReached(took, limits, 'session');
  return reached && { ...reached, name: `session_${reached.name}` };
}

export function limitDetail(whose: 'turn' | 'session', name: keyof TurnLimits, limit: number): string {
  return `the ${whose} may take ${name === 'costUsd' ? `${limit} USD` : `${limit} ${name}`}`;
}

export const agentLimitsNone: AgentLimits = { steps: null, tokens: null, costUsd: null, seconds: null };

/** Of a session. */
export const agentLimitsMax: TurnLimits = {
  steps: 1_000_000,
  tokens: 100_000_000_000,
  costUsd: 1_000_000,
  seconds: 366 * 24 * 3600,
};

export const turnLimitsDefault: TurnLimits = { steps: 100, tokens: 4_000_000, costUsd: 20, seconds: 6 * 3600 };
export const turnLimitsMax: TurnLimits = { steps: 1_000, tokens: 100_000_000, costUsd: 1_000, seconds: 7 * 24 * 3600 };

export const silenceSecondsDefault = 1_800;
export const silenceSecondsMax = 24 * 3600;
