// A cluster of a test's own whose agent answers as the test scripts it: the model is the only thing that is not real.

import { join } from 'node:path';
import { LLMock } from '@copilotkit/aimock';
import { type Api, createApi, followEvents, type PublicEvent } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

export interface ScriptedStep {
  content?: string;
  reasoning?: string;
  toolCalls?: object[];
}

/** Of a turn and of all that belongs to it. */
export type TurnEvent = PublicEvent & { turnId?: string };

export interface ScriptedAgent {
  api: Api;
  cluster: RunningTestCluster;
  model: LLMock;
  projectId: string;
  repository: { path: string; commit: string };
  /** What the model answers, step by step, to the message whose text has this in it. */
  script(userMessage: string, steps: ScriptedStep[], options?: object): void;
  openSession(title: string): Promise<string>;
  /** Sends a message; the turn's id. */
  send(sessionId: string, text: string, agent?: object): Promise<string>;
  /** The first event of a turn for which it is so, whether it has come already or will. */
  awaitEvent(sessionId: string, turnId: string, isMeant: (event: TurnEvent) => boolean): Promise<TurnEvent>;
  awaitEnd(sessionId: string, turnId: string): Promise<TurnEvent>;
  stop(): Promise<void>;
}

interface Asked {
  messages: { role: string; content?: unknown }[];
}

/** It is the newest message that is answered, and so many steps of that are there already. */
function isStep({ messages }: Asked, userMessage: string, index: number): boolean {
  const last = messages.findLastIndex(({ role }) => role === 'user');
  const steps = messages.slice(last).filter(({ role }) => role === 'assistant').length;
  return JSON.stringify(messages[last]?.content ?? '').includes(userMessage) && steps === index;
}

export function call(name: string, input: object) {
  return { name, arguments: JSON.stringify(input) };
}

export async function startScriptedAgent(name: string): Promise<ScriptedAgent> {
  const model = new LLMock({ port: 0 });
  await model.start();
  const cluster = await startTestCluster(name, {
    ...process.env,
    WORKTRAIL_MODEL_URL: `${model.url}/v1`,
    WORKTRAIL_MODEL_DEFAULT: 'custom/scripted',
  });
  const api = createApi(cluster.apiUrl, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, name), 10);
  const { id: projectId } = await api.make('/v1/projects', { name, repository: { url: repository.path } });
  const awaitEvent: ScriptedAgent['awaitEvent'] = async (sessionId, turnId, isMeant) => {
    for await (const event of followEvents(api, cluster.apiKey, sessionId)) {
      if ((event as TurnEvent).turnId === turnId && isMeant(event)) return event;
    }
    throw new Error(`the events of ${sessionId} ended before`);
  };
  return {
    ...{ api, cluster, model, projectId, repository, awaitEvent },
    script: (userMessage, steps, options = {}) =>
      steps.forEach((step, index) =>
        model.on(
          { predicate: (request: Asked) => isStep(request, userMessage, index) } as Parameters<LLMock['on']>[0],
          step as Parameters<LLMock['on']>[1],
          options,
        ),
      ),
    openSession: async (title) => (await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title })).id,
    send: async (sessionId, text, agent) =>
      (await api.make(`/v1/sessions/${sessionId}/messages`, { text, ...(agent && { agent }) })).turnId,
    awaitEnd: (sessionId, turnId) => awaitEvent(sessionId, turnId, ({ type }) => type === 'turn.ended'),
    stop: async () => {
      await cluster.stop();
      await model.stop();
    },
  };
}
