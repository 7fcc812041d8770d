// The tools of the built-in agent: what the model is told of each, and what its input has to be.
//
// A use of a tool that does not exist, or with input that does not fit, is refused with the reason, which the model is told: it can do
// better in the next step.

import { z } from 'zod';
import { limits } from '@worktrail/contract/limits';
import type { ToolUse } from './model-step-messages.ts';

const inputBytesMax = 256 * 1024;

const runCommand = z.strictObject({
  command: z.string().min(1).max(limits.commandBytesMax).describe('A command line for sh.'),
  cwd: z.string().max(4_096).default('').describe('Relative to the root of the work tree; empty: its root.'),
  timeoutSeconds: z
    .number()
    .positive()
    .max(limits.commandTimeoutSecondsMax)
    .default(600)
    .describe('After so long it is ended.'),
});

export interface ToolDescription {
  name: string;
  description: string;
  input: z.ZodType;
}

export const tools: readonly ToolDescription[] = [
  {
    name: 'run_command',
    description:
      'Runs a command in the work tree of the repository, in a sandbox, and gives how it ended and the end of its output. Nothing is kept of its shell; files are.',
    input: runCommand,
  },
];

/** What is to be done for a call of a tool. */
export function toolUse(call: { id: string; tool: string; inputJson: string }): ToolUse {
  const refuse = (detail: string): ToolUse => ({
    ...call,
    inputJson: call.inputJson.slice(0, inputBytesMax),
    kind: 'refused',
    detail,
  });
  if (Buffer.byteLength(call.inputJson) > inputBytesMax) return refuse(`its input is over ${inputBytesMax} bytes`);
  const known = tools.find(({ name }) => name === call.tool);
  if (!known) return refuse(`there is no such tool; there are: ${tools.map(({ name }) => name).join(', ')}`);
  const input = parseJson(call.inputJson);
  if (input === undefined) return refuse('its input is no JSON');
  const read = runCommand.safeParse(input);
  if (!read.success) return refuse(`its input does not fit: ${z.prettifyError(read.error)}`);
  return { ...call, kind: 'command', ...read.data };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
