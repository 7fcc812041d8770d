// One call of `worktrail`: arguments in, exit code out; whatever goes wrong becomes a message on stderr.

import type { Writable } from 'node:stream';
import { CommanderError } from 'commander';
import type { Surroundings } from './cli.ts';
import { exitCodeOfError, exitCodes } from './exit-codes.ts';
import { createProgram } from './program.ts';
import { errorDocument, errorLines } from './screen/error-text.ts';
import { isClosedPipe } from './screen/screen.ts';

export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const exitCode = await parse(args, surroundings);
  await Promise.all([flushed(surroundings.stdout), flushed(surroundings.stderr)]);
  return exitCode;
}

async function parse(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const program = createProgram(surroundings);
  try {
    await program.command.parseAsync(args, { from: 'user' });
    return program.exitCode();
  } catch (error) {
    // Commander has said it already; --help and --version are no mistakes.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (isClosedPipe(error)) return exitCodes.closedPipe;
    const wantsJson = program.command.opts<{ json?: boolean }>().json === true;
    const lines = wantsJson ? [JSON.stringify(errorDocument(error))] : errorLines(error);
    surroundings.stderr.write(`${lines.join('\n')}\n`);
    return exitCodeOfError(error);
  }
}

function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write('', () => resolve());
  });
}
