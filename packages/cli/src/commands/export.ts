// worktrail export <session>: its history as a file.

import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { createCheckedLines } from '../export/checked-lines.ts';
import { type ExportFileFormat, exportSession } from '../export/export-session.ts';
import { formatBytes } from '../screen/quantities.ts';
import { writeAll } from '../screen/screen.ts';

export interface ExportOptions {
  format: ExportFileFormat;
  output?: string;
  resume?: boolean;
}

export async function exportHistory(cli: Cli, sessionId: string, options: ExportOptions): Promise<number> {
  const { format, output, resume = false } = options;
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
