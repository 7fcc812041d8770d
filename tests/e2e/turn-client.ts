// Saying something to the agent of a session, as a client does.

import { type Api, followEvents } from './api.ts';

export type Say = (sessionId: string, text: string, agent?: object) => Promise<any>;

/** The turn, once it has ended. */
export function createSay(api: Api, key: string): Say {
  return async (sessionId, text, agent) => {
    const after = (await api.get(`/v1/sessions/${sessionId}`)).body.lastCursor;
    const { turnId } = await api.make(`/v1/sessions/${sessionId}/messages`, { text, ...(agent && { agent }) });
    await untilEnded(api, key, sessionId, turnId, after);
    return (await api.get(`/v1/sessions/${sessionId}/turns/${turnId}`)).body;
  };
}

export async function untilEnded(api: Api, key: string, sessionId: string, turnId: string, after = ''): Promise<void> {
  const stop = new AbortController();
  try {
    for await (const event of followEvents(api, key, sessionId, { after, signal: stop.signal })) {
      if (event.type === 'turn.ended' && (event as any).turnId === turnId) return;
    }
  } finally {
    stop.abort();
  }
  throw new Error(`the events of ${sessionId} ended before ${turnId}`);
}
