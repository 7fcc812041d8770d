// A session that begins with a message to its agent.

import type { Chat, CreateChat } from '../gen/api-schemas.ts';
import type { Transport } from '../transport.ts';
import { pathOf, type WaitOptions } from './call.ts';

export function createChats(transport: Transport) {
  return {
    /** Both are made, or neither. With `waitSeconds` it answers once the session is ready (or failed), or when the wait is over. */
    create: (projectId: string, body: CreateChat, options?: WaitOptions) =>
      transport.json<Chat>('POST', pathOf`/v1/projects/${projectId}/chats`, { body, ...options }),
  };
}
