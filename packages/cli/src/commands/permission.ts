// worktrail permission <session> <permission> allow | deny: an answer to what an agent asks for, from outside of its chat.

import type { AnswerPermission } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';

export async function permission(
  cli: Cli,
  sessionId: string,
  permissionId: string,
  decision: AnswerPermission['decision'],
  { always }: { always?: boolean },
): Promise<number> {
  const client = await cli.client();
  await client.turns.answerPermission(sessionId, permissionId, { decision, ...(always && { remember: true }) });
  if (cli.screen.json) await cli.screen.document({ permissionId, decision, remember: always === true });
  else await cli.screen.line(`${permissionId}  ${decision}`);
  return exitCodes.ok;
}
