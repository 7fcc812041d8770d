// opencode (npm package opencode-ai).
//
// 1. It asks for each edit and command, so that the session's policy decides; it writes files itself.
// 2. A model that it is told it uses by the sandbox's endpoint, where there is one. It takes a model whose name begins with "gpt-" for one of OpenAI's, and then
//    gives it another tool to edit with.
// 3. Nothing of it is looked for, reported or updated outside.

import { type AgentProfile, agentFilesPath } from '../agent-profile.ts';

const provider = 'worktrail';

export const opencode: AgentProfile = {
  speaks: 'acp',
  offersFiles: false,
  offersTerminals: false,
  asks: true,
  missing: "install the npm package opencode-ai, and ripgrep, in the project's image or setup",
  start({ model }, { OPENAI_BASE_URL: baseURL, OPENAI_API_KEY: apiKey = '' }) {
    const models = baseURL !== undefined &&
      model !== '' && {
        provider: {
          [provider]: {
            npm: '@ai-sdk/openai-compatible',
            name: 'Worktrail',
            options: { baseURL, apiKey },
            models: { [model]: { name: model } },
          },
        },
        model: `${provider}/${model}`,
        small_model: `${provider}/${model}`,
      };
    const config = {
      ...(models || (model && { model })),
      permission: { edit: 'ask', bash: 'ask', webfetch: 'ask' },
      autoupdate: false,
      share: 'disabled',
    };
    const off = ['MODELS_FETCH', 'AUTOUPDATE', 'LSP_DOWNLOAD', 'DEFAULT_PLUGINS', 'PROJECT_CONFIG'];
    return {
      command: 'exec opencode acp',
      env: {
        ...Object.fromEntries(off.map((name) => [`OPENCODE_DISABLE_${name}`, '1'])),
        OPENCODE_PURE: '1',
        OPENCODE_CONFIG: `${agentFilesPath}/opencode.json`,
      },
      files: { 'opencode.json': JSON.stringify(config) },
    };
  },
};
