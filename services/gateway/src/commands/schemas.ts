// The JSON of a command.

import { posix } from 'node:path';
import { z } from '@hono/zod-openapi';
import { commandOutcomes } from '@worktrail/contract/commands';
import { limits } from '@worktrail/contract/limits';
import { commandText, id, text, textOfBytes, time, variables } from '../text.ts';

const pathLengthMax = 4_096;

/** Relative to the work tree, which it may not leave; answered in its shortest form, '' for the work tree itself. */
const workingDirectory = text(pathLengthMax)
  .refine((path) => !path.startsWith('/'), 'must be relative to the work tree')
  .transform((path) => (path === '' ? '' : posix.normalize(path).replace(/\/$/, '').replace(/^\.$/, '')))
  .refine((path) => path !== '..' && !path.startsWith('../'), 'must not leave the work tree')
  .openapi({ type: 'string', description: 'Relative to the work tree.' });

export const createCommandSchema = z
  .strictObject({
    command: commandText.openapi({ description: 'Given to sh -c.' }),
    cwd: workingDirectory.default(''),
    env: variables.default({}),
    timeoutSeconds: z.int().min(1).max(limits.commandTimeoutSecondsMax).optional(),
    stdin: textOfBytes(limits.stdinInlineBytesMax)
      .optional()
      .openapi({ description: 'Written, then closed. Without it, standard input stays open for …/stdin.' }),
    background: z.boolean().default(false).openapi({ description: 'Runs beside the others instead of in order.' }),
  })
  .openapi('CreateCommand');

export const signalNames = [
  ...['HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM'],
  ...['TERM', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'WINCH', 'IO', 'SYS'],
] as const;

export const signalSchema = z
  .strictObject({
    signal: z.preprocess(
      (value) => (typeof value === 'string' ? value.replace(/^SIG/, '') : value),
      z.enum(signalNames),
    ),
  })
  .openapi('Signal');

export const commandSchema = z
  .object({
    id: id('command'),
    sessionId: id('session'),
    command: z.string(),
    cwd: z.string(),
    background: z.boolean(),
    timeoutSeconds: z.number().nullable(),
    origin: z.string().openapi({ description: 'Who asked: user, setup, trial, verify.' }),
    state: z.enum(['queued', 'running', 'ended']),
    outcome: z.enum(commandOutcomes).nullable(),
    reason: z.string().optional(),
    exitCode: z.int().nullable(),
    signal: z.string().nullable(),
    queuedAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    stdoutBytes: z.int(),
    stderrBytes: z.int(),
    output: z
      .object({ text: z.string(), truncated: z.boolean() })
      .optional()
      .openapi({ description: 'The last 64 KiB of both streams as written; only with a wait.' }),
  })
  .openapi('Command');

export type CommandJson = z.output<typeof commandSchema>;
