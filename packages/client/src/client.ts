// The TypeScript SDK of Worktrail: one object with the API's resources on it.
//
//   const worktrail = createClient({ apiUrl, apiKey });
//   const session = await worktrail.sessions.create(projectId, { title: 'try it' }, { waitSeconds: 60 });
//   const command = await worktrail.commands.run(session.id, { command: 'npm test' }, { waitSeconds: 120 });
//   for await (const event of worktrail.events.follow(session.id)) console.log(event.type);
//
// Needs fetch, AbortSignal.any and web streams: Node 20 or newer.

import { createAudit, createKeys, createOrganizations, createPrincipals } from './resources/access.ts';
import { createAnalytics } from './resources/analytics.ts';
import { createChats } from './resources/chats.ts';
import { createCommands } from './resources/commands.ts';
import { createEvents } from './resources/events.ts';
import { createExports } from './resources/exports.ts';
import { createFiles } from './resources/files.ts';
import {
  createDoctor,
  createHealth,
  createLimits,
  createModels,
  createQuery,
  createRunners,
} from './resources/operation.ts';
import { createProposals } from './resources/proposals.ts';
import { createProjects } from './resources/projects.ts';
import { createSearch } from './resources/search.ts';
import { createCheckpoints, createSessions } from './resources/sessions.ts';
import { createRetention } from './resources/retention.ts';
import { createSuggestions } from './resources/suggestions.ts';
import { createTasks, createTrials } from './resources/tasks.ts';
import { createTurns } from './resources/turns.ts';
import { createWebhooks } from './resources/webhooks.ts';
import { createTransport } from './transport.ts';
import { wait as waitForTime } from './wait.ts';

export interface ClientOptions {
  /** "http://127.0.0.1:7700"; a trailing slash does not matter. */
  apiUrl: string;
  /** Without it only /healthz and /readyz answer. */
  apiKey?: string | undefined;
  fetch?: typeof fetch;
  userAgent?: string;
  /** How often a request is sent before a transient failure is thrown. Default 5. */
  attemptsMax?: number;
  /** Told each time when something (a revert, an update, a checkpoint) takes longer than a request waits: it is waited for all the same. */
  onStillRunning?: (detail: string) => void;
  /** After so long without a byte an event stream counts as cut. Default 45 s: three missed pings. */
  silenceMs?: number;
}

export type WorktrailClient = ReturnType<typeof createClient>;

export function createClient(options: ClientOptions) {
  const wait = waitForTime;
  const random = Math.random;
  const transport = createTransport({
    apiUrl: options.apiUrl,
    apiKey: options.apiKey,
    userAgent: options.userAgent ?? 'worktrail-client/0.1.0',
    fetch: options.fetch ?? fetch,
    wait,
    random,
    newIdempotencyKey: () => crypto.randomUUID(),
    attemptsMax: options.attemptsMax ?? 5,
    onStillRunning: options.onStillRunning,
  });
  const nowMs = () => performance.now();
  const events = createEvents({ transport, wait, random, nowMs, silenceMs: options.silenceMs ?? 45_000 });
  return {
    apiUrl: transport.apiUrl,
    organizations: createOrganizations(transport),
    principals: createPrincipals(transport),
    keys: createKeys(transport),
    audit: createAudit(transport),
    projects: createProjects(transport),
    suggestions: createSuggestions(transport),
    tasks: createTasks(transport),
    trials: createTrials(transport),
    sessions: createSessions(transport),
    checkpoints: createCheckpoints(transport),
    files: createFiles(transport),
    proposals: createProposals(transport),
    commands: createCommands(transport, events),
    turns: createTurns(transport, events),
    chats: createChats(transport),
    events,
    analytics: createAnalytics(transport),
    query: createQuery(transport),
    search: createSearch(transport),
    webhooks: createWebhooks(transport),
    retention: createRetention(transport),
    exports: createExports(transport),
    models: createModels(transport),
    runners: createRunners(transport),
    limits: createLimits(transport),
    doctor: createDoctor(transport),
    health: createHealth(transport),
  };
}
