// Any command that speaks the Agent Client Protocol.

import type { AgentProfile } from '../agent-profile.ts';

export const custom: AgentProfile = {
  speaks: 'acp',
  offersFiles: true,
  offersTerminals: true,
  asks: true,
  missing: "install what the agent's command names in the project's image or setup",
  start: ({ command }) => ({ command, env: {}, files: {} }),
};
