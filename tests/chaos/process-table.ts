// Processes of this machine by what their command line or working directory names.

import { readdir, readFile, readlink } from 'node:fs/promises';

export interface FoundProcess {
  pid: number;
  commandLine: string;
}

/** Those whose command line or working directory names `text`; neither this process nor a zombie. */
export async function processesWith(text: string): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const commandLine = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
      const directory = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      const isOurs = commandLine.includes(text) || directory.startsWith(text);
      return isOurs && commandLine !== '' ? [{ pid: Number(pid), commandLine: commandLine.trim() }] : [];
    }),
  );
  return found.flat();
}
