// A session that begins with a message to its agent.

import type { Chat, CreateChat } from '../gen/api-schemas.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';
import { boundedWaitSeconds } from './commands.ts';

export function createChats(transport: Transport) {
  return {
    /** Both are made, or neither. With `waitSeconds` it answers once the session is ready (or failed), or when the wait is over. */
    create: (projectId: string, body: CreateChat, options: CallOptions & { waitSeconds?: number } = {}) => {
      const waitSeconds = boundedWaitSeconds(options.waitSeconds);
      const path = pathOf`/v1/projects/${projectId}/chats`;
      return transport.json<Chat>('POST', path, { ...options, body, query: { waitSeconds }, waitSeconds });
    },
  };
}
