// Gemini CLI (npm package @google/gemini-cli). It reads and writes files itself: it is offered none, as it would then see what is ignored
// by git as missing.

import { type AgentProfile, agentFilesPath, quoted } from '../agent-profile.ts';

export const gemini: AgentProfile = {
  speaks: 'acp',
  offersFiles: false,
  offersTerminals: false,
  asks: true,
  missing: "install Node.js and the npm package @google/gemini-cli in the project's image or setup",
  start({ model }) {
    const settings = {
      security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
      general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
      privacy: { usageStatisticsEnabled: false },
      telemetry: { enabled: false },
    };
    return {
      command: `exec gemini --acp${model && ` -m ${quoted(model)}`}`,
      env: {
        GEMINI_CLI_TRUST_WORKSPACE: 'true',
        GEMINI_CLI_NO_RELAUNCH: 'true',
        GEMINI_CLI_SYSTEM_SETTINGS_PATH: `${agentFilesPath}/gemini.json`,
      },
      files: { 'gemini.json': JSON.stringify(settings) },
    };
  },
};
