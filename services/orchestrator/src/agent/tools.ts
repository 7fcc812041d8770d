// The tools of the built-in agent: what the model is told of each, what its input has to be, and what is to be done for a use of it.
//
// A use of a tool that does not exist, or with input that does not fit, is refused with the reason, which the model is told: it can do
// better in the next step.

import { z } from 'zod';
import { contextPathLengthMax, contextQueryLengthMax } from '@worktrail/contract/context';
import { limits } from '@worktrail/contract/limits';
import type { ToolCallRequest, ToolUse } from './model-step-messages.ts';

/** What a program can be given. */
const plain = z
  .string()
  .refine((value) => value.isWellFormed() && !value.includes('\0'), 'must be well-formed text without NUL');
const path = plain.max(4_096);
const searched = {
  path: plain
    .min(1)
    .max(contextPathLengthMax)
    .nullable()
    .default(null)
    .describe('Only below this directory, or in what fits a pattern with "*", "**" and "?".'),
  limit: z.int().min(1).max(30).default(10),
};
const pathHint = 'Relative to the root of the repository.';

interface Tool<Input extends z.ZodType = z.ZodType> {
  description: string;
  input: Input;
  /** What is to be done. */
  use(call: ToolCallRequest, input: z.output<Input>): ToolUse;
}

function tool<Input extends z.ZodType>(made: Tool<Input>): Tool {
  return made as unknown as Tool;
}

export const tools: Readonly<Record<string, Tool>> = {
  run_command: tool({
    description:
      'Runs a command with sh in a sandbox that has the work tree, and gives how it ended and the end of its output. Each starts in a shell of its own; files stay.',
    input: z.strictObject({
      command: plain
        .min(1)
        .max(limits.commandBytesMax)
        .refine(
          (value) => Buffer.byteLength(value) <= limits.commandBytesMax,
          `is over ${limits.commandBytesMax} bytes`,
        ),
      cwd: path.default('').describe(pathHint),
      timeoutSeconds: z.number().positive().max(limits.commandTimeoutSecondsMax).default(600),
    }),
    use: (call, input) => ({ ...call, kind: 'command', ...input }),
  }),
  read_file: tool({
    description: 'Gives lines of a text file, each with its number.',
    input: z.strictObject({
      path: path.min(1).describe(pathHint),
      firstLine: z.int().min(1).default(1),
      lines: z.int().min(1).max(5_000).default(1_000),
    }),
    use: (call, input) => ({ ...call, kind: 'files', use: { tool: 'read_file', ...input } }),
  }),
  list_files: tool({
    description: 'Names what is in a directory; directories end with "/".',
    input: z.strictObject({ path: path.default('').describe(pathHint) }),
    use: (call, input) => ({ ...call, kind: 'files', use: { tool: 'list_files', ...input } }),
  }),
  search_text: tool({
    description: 'Finds lines in the text files below a path: "file:line:text".',
    input: z.strictObject({
      pattern: plain.min(1).max(1_000),
      path: path.default('').describe(pathHint),
      isRegex: z.boolean().default(false).describe('An extended regular expression, not a plain text.'),
    }),
    use: (call, input) => ({ ...call, kind: 'files', use: { tool: 'search_text', ...input } }),
  }),
  search_context: tool({
    description:
      'Finds what is about some words in the repository: definitions, passages of text and files, the best first. It knows the commit that the session started from, not what was changed since.',
    input: z.strictObject({
      query: plain.min(1).max(contextQueryLengthMax),
      ...searched,
      language: plain.min(1).max(50).nullable().default(null).describe('"typescript", "python", …'),
    }),
    use: (call, input) => ({ ...call, kind: 'context', use: { tool: 'search_context', ...input } }),
  }),
  search_symbols: tool({
    description:
      'Finds where functions, classes, methods and the like are defined, by name or by words of it. It knows the commit that the session started from.',
    input: z.strictObject({ query: plain.min(1).max(contextQueryLengthMax), ...searched }),
    use: (call, input) => ({ ...call, kind: 'context', use: { tool: 'search_symbols', ...input } }),
  }),
  write_file: tool({
    description: 'Writes a whole file, with the directories on its way.',
    input: z.strictObject({ path: path.min(1).describe(pathHint), content: z.string() }),
    use: (call, input) => ({ ...call, kind: 'files', use: { tool: 'write_file', ...input } }),
  }),
  edit_file: tool({
    description: 'Replaces a text in a file by another. The text has to stand there exactly as given, and once.',
    input: z.strictObject({
      path: path.min(1).describe(pathHint),
      find: z.string().min(1),
      replace: z.string(),
      all: z.boolean().default(false).describe('Replace it wherever it stands.'),
    }),
    use: (call, input) => ({ ...call, kind: 'files', use: { tool: 'edit_file', ...input } }),
  }),
  apply_patch: tool({
    description:
      'Applies a unified diff, over any number of files. Where a part of it does not fit, nothing is changed.',
    input: z.strictObject({ patch: z.string().min(1) }),
    use: (call, input) => ({ ...call, kind: 'files', use: { tool: 'apply_patch', ...input } }),
  }),
  update_plan: tool({
    description: 'Says what you are going to do, and how far it is: the whole list each time.',
    input: z.strictObject({
      items: z
        .array(z.strictObject({ text: z.string().min(1).max(500), state: z.enum(['open', 'active', 'done']) }))
        .max(50),
    }),
    use: (call, input) => ({ ...call, kind: 'plan', ...input }),
  }),
  finish: tool({
    description: 'Ends your turn. What you say beside it is your answer.',
    input: z.strictObject({}),
    use: (call) => ({ ...call, kind: 'finish' }),
  }),
};

/** What is to be done for a call of a tool. */
export function toolUse(call: ToolCallRequest): ToolUse {
  const refuse = (detail: string): ToolUse => ({ ...call, kind: 'refused', detail });
  const known = Object.hasOwn(tools, call.tool) ? tools[call.tool] : undefined;
  if (!known) return refuse(`there is no tool of that name; there are: ${Object.keys(tools).join(', ')}`);
  const input = parseJson(call.inputJson);
  if (input === undefined) return refuse('its input is no JSON');
  const read = known.input.safeParse(input);
  return read.success ? known.use(call, read.data) : refuse(`its input does not fit: ${z.prettifyError(read.error)}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
