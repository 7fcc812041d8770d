// The profiles by the kinds of agents.

import type { AgentKind } from '@worktrail/contract/agents';
import type { AgentProfile } from './agent-profile.ts';
import { codex } from './profiles/codex.ts';
import { custom } from './profiles/custom.ts';
import { gemini } from './profiles/gemini.ts';
import { opencode } from './profiles/opencode.ts';

export const agentProfiles: Readonly<Record<Exclude<AgentKind, 'built_in'>, AgentProfile>> = {
  opencode,
  gemini,
  codex,
  custom,
};
