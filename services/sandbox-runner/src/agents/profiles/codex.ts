// Codex (npm package @openai/codex) by its JSON mode: it is given one message and tells what it does. It cannot be asked for permission in
// that mode, and its own sandbox has no place inside of ours.

import { type AgentProfile, quoted } from '../agent-profile.ts';

export const codex: AgentProfile = {
  speaks: 'codex_json',
  offersFiles: false,
  offersTerminals: false,
  asks: false,
  missing: "install the npm package @openai/codex in the project's image or setup",
  start({ model }, { OPENAI_BASE_URL: url }, resume) {
    const provider =
      url === undefined
        ? []
        : [
            '-c model_provider=worktrail',
            `-c ${quoted(`model_providers.worktrail={name="Worktrail",base_url=${JSON.stringify(url)},env_key="OPENAI_API_KEY",wire_api="responses"}`)}`,
          ];
    const options = [
      '--json --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox',
      '-c check_for_update_on_startup=false',
      ...provider,
      ...(model ? [`-m ${quoted(model)}`] : []),
    ].join(' ');
    const what = resume === null ? 'codex exec' : `codex exec resume ${quoted(resume)}`;
    return { command: `exec ${what} ${options} -`, env: {}, files: {} };
  },
};
