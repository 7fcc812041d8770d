// Codex (npm package @openai/codex) by its JSON mode: it is given one message and tells what it does. It cannot be asked for permission in
// that mode, and its own sandbox has no place inside of ours.
//
// A conversation that it keeps no record of any more is begun anew; which of both it is stands before all that it says itself, so that the
// message can be made for it.

import { type AgentProfile, quoted } from '../agent-profile.ts';
import { conversationBegun, conversationResumed } from '../codex-protocol.ts';

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
    const anew = `exec codex exec ${options} -`;
    return { command: resume === null ? anew : resumed(resume, anew, options), env: {}, files: {} };
  },
};

function resumed(threadId: string, anew: string, options: string): string {
  const record = `"\${CODEX_HOME:-$HOME/.codex}"/sessions/*/*/*/rollout-*-${quoted(threadId)}.jsonl*`;
  return [
    `if ls ${record} > /dev/null 2>&1; then`,
    `  echo ${quoted(conversationResumed)}; exec codex exec resume ${quoted(threadId)} ${options} -`,
    `else echo ${quoted(conversationBegun)}; ${anew}; fi`,
  ].join('\n');
}
