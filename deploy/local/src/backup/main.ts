/** `worktrail backup` and `worktrail restore`: arguments, what is printed, the exit code. 0: as asked; 1: something failed; 2: wrong arguments. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createStyle, createTerminalReport, wantsColour } from '../terminal.ts';
import { makeBackup } from './make-backup.ts';
import type { Manifest } from './manifest.ts';
import { restoreBackup } from './restore-backup.ts';

const style = createStyle(wantsColour(process.stderr, process.env));
const report = createTerminalReport((text) => void process.stderr.write(text), style);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      state: { type: 'string' },
      'key-file': { type: 'string' },
      'without-key': { type: 'boolean' },
      json: { type: 'boolean' },
    },
  });
  const [what, file] = positionals;
  if (!file || values.state === undefined || !['backup', 'restore'].includes(what ?? '')) {
    process.stderr.write('usage: main.ts backup|restore FILE --state DIR [--without-key] [--key-file FILE] [--json]\n');
    return 2;
  }
  const stateDirectory = resolve(values.state);
  try {
    const manifest =
      what === 'backup'
        ? await makeBackup({ stateDirectory, file: resolve(file), withoutKey: values['without-key'] ?? false, report })
        : await restoreBackup({ stateDirectory, file, keyFile: values['key-file'], env: process.env, report });
    tell(manifest, values.json ?? false);
    return manifest.artifactsMissing.length > 0 && what === 'backup' ? 1 : 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 1;
  }
}

function tell(manifest: Manifest, json: boolean): void {
  const { createdAt, hasSecretsKey, artifactsMissing, streams, events, files } = manifest;
  const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
  if (json) {
    const shown = { createdAt, hasSecretsKey, artifactsMissing, streams: streams.length, events: events.min, bytes };
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  }
  for (const name of artifactsMissing) process.stderr.write(`Gone before it could be saved: ${name}\n`);
}

process.exitCode = await main(process.argv.slice(2));
