// worktrail export <session> | export --project <project>: histories as files.

import type { Cli } from '../cli.ts';
import { exitCodes, UsageError } from '../exit-codes.ts';
import { createCheckedLines } from '../export/checked-lines.ts';
import { exportProject } from '../export/export-project.ts';
import { type ExportFileFormat, exportSession } from '../export/export-session.ts';
import { formatBytes } from '../screen/quantities.ts';
import { writeAll } from '../screen/screen.ts';
import { resolveProjectId } from './resolve-project.ts';

export interface ExportOptions {
  format: ExportFileFormat;
  output?: string;
  resume?: boolean;
  project?: string;
  from?: string;
  to?: string;
}

export async function exportHistory(cli: Cli, sessionId: string | undefined, options: ExportOptions): Promise<number> {
  const { project, from, to } = options;
  if (sessionId === undefined && project !== undefined) return await exportAll(cli, project, options);
  if (sessionId === undefined) throw new UsageError('which session? Or name a project with --project <id or name>');
  if (project ?? from ?? to) throw new UsageError('--project, --from and --to are of the export of a project');
  return await exportOne(cli, sessionId, options);
}

async function exportOne(
  cli: Cli,
  sessionId: string,
  { format, output, resume = false }: ExportOptions,
): Promise<number> {
  const client = await cli.client();
  if (output === undefined) {
    const lines = createCheckedLines();
    for await (const chunk of await client.exports.session(sessionId, { format })) {
      await writeAll(cli.screen.stdout, lines.add(chunk));
    }
    await writeAll(cli.screen.stdout, lines.finish());
    return exitCodes.ok;
  }
  const file = await exportSession(client, { sessionId, format, path: output, resume });
  if (cli.screen.json) await cli.screen.document(file);
  else cli.screen.note(`${file.path}: ${formatBytes(file.bytes)}, sha256 ${file.sha256}`);
  return exitCodes.ok;
}

async function exportAll(cli: Cli, named: string, options: ExportOptions): Promise<number> {
  const { format, output: directory, resume = false, from, to } = options;
  if (format !== 'jsonl') throw new UsageError('a project is exported in jsonl');
  if (directory === undefined) throw new UsageError('into which directory? Name it with --output <directory>');
  const client = await cli.patientClient();
  const projectId = await resolveProjectId(cli, client, named);
  let [files, bytes] = [0, 0];
  for await (const file of exportProject(client, { projectId, directory, from, to, resume })) {
    files += 1;
    bytes += file.bytes;
    if (cli.screen.json) await cli.screen.jsonLine(file);
  }
  cli.screen.note(`${directory}: ${files} sessions, ${formatBytes(bytes)}`);
  return exitCodes.ok;
}
