// The way out of this runner's sandboxes: one endpoint for each that has a network, for as long as its container is here.
//
// 1. A sandbox has what its own environment allows, whoever else is here: its endpoint is a socket in its own run directory.
// 2. What was refused and what models cost is told in the session's history, and what models cost counts against the session's limits.
// 3. Opening again is harmless; after a restart of the runner its sandboxes' relays find the new endpoint at the old place.

import { getServers } from 'node:dns';
import { join } from 'node:path';
import type { KV } from '@nats-io/kv';
import type { ReachedLimit } from '@worktrail/contract/agents';
import type { SessionDocument } from '@worktrail/contract/documents';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import type { ModelsCalled } from '@worktrail/contract/session-messages';
import { sessionKey } from '@worktrail/contract/subjects';
import type { TokenUsage } from '@worktrail/contract/turns';
import { createAddressJudge, createOwnAddresses } from '@worktrail/runtime/addresses';
import { readDocument } from '@worktrail/runtime/buckets';
import { costOf, priceOf } from '@worktrail/runtime/model-prices';
import { createNameResolver, type ResolveName } from '@worktrail/runtime/name-resolver';
import type { NamedModel } from '@worktrail/runtime/operator-config';
import { createDialing } from './dialing.ts';
import { type EgressEndpoint, openEgressEndpoint } from './egress-endpoint.ts';
import type { Destination, EgressRules } from './egress-rules.ts';
import { createGivenAddresses } from './given-addresses.ts';
import { createModelCalling } from './model-calling.ts';
import { type ModelAccess, modelVariables } from './model-calls.ts';
import { type ModelMeter, openModelMeter } from './model-meter.ts';
import { createProxying } from './proxying.ts';
import { createRefusalCounter, type Refusal, type RefusalReason } from './refusals.ts';
import { createRunnerFacts, type RunnerFactsDeps } from './runner-facts.ts';
import { relayPorts } from './sandbox-network.ts';

/** In the run directory. */
const endpointDirectory = 'egress';
/** Beside it: the sandbox does not see it. */
const modelsCalledFile = 'models-called.json';

export interface EgressOptions {
  /** What of this host and of private networks may be reached all the same (addresses.ts). */
  privateAllowed: readonly string[];
  models: ModelAccess;
  /** What the operator has said of models, their prices among it. */
  named: Readonly<Record<string, NamedModel>>;
}

export interface Egress {
  /** Takes the place of the session's earlier ones, of other generations or rules. */
  open(ref: SandboxRef, rules: EgressRules, runDirectory: string): Promise<void>;
  close(sessionId: string): Promise<void>;
  /** What commands of a sandbox with these rules find in their environment. */
  variables(rules: EgressRules | undefined): Record<string, string>;
}

export interface EgressDeps extends EgressOptions, RunnerFactsDeps {
  /** Documents of sessions. */
  sessions: KV;
  /** To a session's workflow; rejects where it may not have been taken. */
  tellModelsCalled(sessionId: string, called: ModelsCalled): Promise<void>;
  /** Default: as this host does. */
  resolve?: ResolveName;
  nameServers?: () => readonly string[];
}

export function createEgress(deps: EgressDeps): Egress {
  const { clock, signal, events, sessions, named } = deps;
  const judge = createAddressJudge(createOwnAddresses(clock), deps.privateAllowed);
  const resolve = deps.resolve ?? createNameResolver();
  const nameServers = deps.nameServers ?? getServers;
  const dialing = createDialing({ judge, resolve, nameServers });
  const models = createModelCalling();
  const opened = new Map<string, { as: string; end: () => Promise<void> }>();

  function openMeter({ organizationId, sessionId }: SandboxRef, runDirectory: string): ModelMeter {
    return openModelMeter({
      path: join(runDirectory, '..', modelsCalledFile),
      readUse: async () =>
        (await readDocument<SessionDocument>(sessions, sessionKey(organizationId, sessionId)))?.value ?? {},
      tell: (called) => deps.tellModelsCalled(sessionId, called),
      log: events.log,
    });
  }

  async function close(sessionId: string): Promise<void> {
    const endpoint = opened.get(sessionId);
    opened.delete(sessionId);
    await endpoint?.end();
  }

  signal.addEventListener('abort', () => {
    for (const sessionId of opened.keys())
      close(sessionId).catch((err: unknown) => events.log.warn({ err, sessionId }, 'a way out could not be closed'));
    models.close();
  });

  return {
    async open(ref, rules, runDirectory) {
      const as = JSON.stringify([ref.generation, rules]);
      if (opened.get(ref.sessionId)?.as === as) return;
      await close(ref.sessionId);
      const life = new AbortController();
      const facts = createRunnerFacts(deps, ref);
      const refusals = createRefusalTelling(clock, (told) => facts.tell(refusedPayload(told)));
      const { refused } = refusals;
      const meter = openMeter(ref, runDirectory);
      const limits = createLimitTelling(meter, (limit) => facts.tell(limitPayload(limit)));
      const given = createGivenAddresses(clock);
      const until = AbortSignal.any([life.signal, signal]);
      const proxying = createProxying({ rules, dialing, given, refused, signal: until });
      const endpoint: EgressEndpoint = await openEgressEndpoint(join(runDirectory, endpointDirectory), {
        rules,
        proxying,
        models,
        access: deps.models,
        clock,
        nameServers,
        resolve,
        given,
        refused,
        limitReached: () => limits.reached(),
        used: ({ model, ...tokens }, call) => {
          const used = { ...tokens, costUsd: costOf(priceOf(named, call.provider, [model, call.model]), tokens) };
          meter.count(used);
          facts.tell(usagePayload(model, used));
        },
      });
      const end = async () => {
        life.abort();
        refusals.close();
        await endpoint.close();
        await meter.close();
      };
      opened.set(ref.sessionId, { as, end });
    },
    close,
    variables(rules) {
      if (!rules) return {};
      const models = modelVariables(deps.models, relayPorts.proxy);
      return rules.mode === 'open' ? models : { ...proxyVariables(), ...models };
    },
  };
}

/** With an open network programs need no proxy. */
function proxyVariables(): Record<string, string> {
  const proxy = `http://127.0.0.1:${relayPorts.proxy}`;
  const none = 'localhost,127.0.0.1,::1';
  const both = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: none };
  return { ...both, http_proxy: proxy, https_proxy: proxy, no_proxy: none };
}

function refusedPayload({ host, port, reason, count }: Refusal) {
  return { case: 'egressRefused', value: { host, port, reason, count } } as const;
}

function usagePayload(model: string, { costUsd, ...tokens }: TokenUsage) {
  const inputTokens = BigInt(tokens.inputTokens);
  const outputTokens = BigInt(tokens.outputTokens);
  const cachedInputTokens = BigInt(tokens.cachedInputTokens);
  return { case: 'usage', value: { model, inputTokens, outputTokens, cachedInputTokens, costUsd } } as const;
}

function limitPayload({ name, detail }: ReachedLimit) {
  return { case: 'limitReached', value: { limit: name, detail } } as const;
}

/** Each limit is told of once, when a call is first refused for it; each refusal is counted. */
function createLimitTelling(meter: ModelMeter, tell: (limit: ReachedLimit) => void) {
  let told = '';
  return {
    async reached(): Promise<ReachedLimit | null> {
      const limit = await meter.limitReached();
      if (limit !== null && limit.detail !== told) tell(limit);
      told = limit?.detail ?? '';
      return limit;
    },
  };
}

function createRefusalTelling(clock: () => number, tell: (refusal: Refusal) => void) {
  const counter = createRefusalCounter();
  let timer: NodeJS.Timeout | undefined;

  function arm(): void {
    const dueMs = counter.dueMs();
    if (timer || dueMs === undefined) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        counter.take(clock()).forEach(tell);
        arm();
      },
      Math.max(0, dueMs - clock()) + 1,
    );
    timer.unref();
  }

  return {
    refused(to: Destination, reason: RefusalReason): void {
      const now = counter.note(to, reason, clock());
      if (now) tell(now);
      arm();
    },
    /** What was counted until now is told. */
    close(): void {
      clearTimeout(timer);
      counter.take(Number.POSITIVE_INFINITY).forEach(tell);
    },
  };
}
