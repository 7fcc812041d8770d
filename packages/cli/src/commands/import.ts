// worktrail import <file…>: histories that were exported, into an organization without sessions of its own.
//
// A file is checked as a whole before any of it is sent. What breaks off is run again: what is stored stays as it is.

import { WorktrailApiError } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { checkFile, filePieces, type FilePiece } from '../export/file-pieces.ts';
import { resolveProjectId } from './resolve-project.ts';

export async function importHistory(cli: Cli, paths: string[], { project }: { project?: string }): Promise<number> {
  const client = await cli.patientClient();
  const projectId = await resolveProjectId(cli, client, project);
  for (const path of paths) {
    await checkFile(path);
    let events = 0;
    let sessionId = '';
    for await (const piece of filePieces(path)) {
      const answer = await client.exports
        .import(projectId, piece.bytes)
        .catch((error: unknown) => Promise.reject(inFile(error, path, piece)));
      events += answer.stored;
      ({ sessionId } = answer);
    }
    if (cli.screen.json) await cli.screen.jsonLine({ path, sessionId, stored: events });
    else cli.screen.note(`${path}: session ${sessionId}, ${events} events that were not there`);
  }
  return exitCodes.ok;
}

/** A line of a piece, as one of the file. */
function inFile(error: unknown, path: string, piece: FilePiece): unknown {
  if (!(error instanceof WorktrailApiError)) return error;
  const [first] = error.errors;
  const line = /^line (\d+)$/.exec(first?.path ?? '')?.[1];
  if (!first || line === undefined) return error;
  return new Error(`${path}, line ${piece.lineOf(Number(line))}: ${first.message}`, { cause: error });
}
