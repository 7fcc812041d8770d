// The agent's tools that read, search and change files, done inside the sandbox as its user.
//
// 1. What came of it is in the history, as the model is told of it: bounded, and with what was read and changed by its content.
// 2. It is done once and told once: what is to be written is decided once, and kept beside the sandbox with what became of it until all
//    of that is in the history (`kept-plan.ts`); an attempt after one that died goes on from there.
// 3. A use that is canceled before it has written anything leaves nothing. What is begun to be written is written whole, and told.
// 4. Of a patch over several files each part fits, or nothing is written. Where one of them cannot be written all the same, those before it are,
//    and told.
// 5. Values of secrets that commands are given are masked in what is told of files.
// 6. A text is read and written as UTF-8; what is none is told as such and left alone.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FileToolUse } from '@worktrail/contract/agent-tools';
import type { UsedFiles, UseFilesInput } from '@worktrail/contract/sandbox-activities';
import { WorktrailError } from '@worktrail/contract/errors';
import { newId } from '@worktrail/contract/ids';
import type { ChangedFile } from '@worktrail/contract/session-messages';
import {
  createProducer,
  type EventPayloadInit,
  type ProducerDeps,
  recoverBegunProducer,
} from '@worktrail/runtime/event-producer';
import { baseEnvironment } from '../docker/image-environment.ts';
import type { FileChanges } from '../files/file-change.ts';
import type { LiveFile, LiveFiles } from '../files/live-files.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { runInternalCommand } from '../supervision/internal-command.ts';
import { readLines } from './read-lines.ts';
import { keepPlan, openKeptPlan, type PlannedFile, removeKeptPlan } from './kept-plan.ts';
import { EditRefused, readPatch, replaced } from './edit-text.ts';
import { masked } from './masked-values.ts';
import { createPatchedFiles } from './patched-files.ts';
import { hashOf, readText, refusalOf, requirePath } from './text-file.ts';

export interface FileTools {
  /** `signal`: this attempt is over, another may go on. `canceled`: nobody waits for it any more. */
  use(
    sandbox: OpenSandbox,
    input: UseFilesInput,
    ending: { signal: AbortSignal; canceled: AbortSignal },
  ): Promise<UsedFiles>;
}

export interface FileToolDeps {
  live: LiveFiles;
  changes: FileChanges;
  events: ProducerDeps;
  readSecret: (projectId: string, name: string) => Promise<string | undefined>;
  clock: () => number;
}

const shownBytesMax = 32 * 1024;
const listMax = 500;
const searchTimeoutMs = 20_000;

interface Outcome {
  output: unknown;
  events: EventPayloadInit[];
  failed?: true;
}

export function createFileTools({ live, changes, events, readSecret, clock }: FileToolDeps): FileTools {
  async function readTextIfThere(sandbox: OpenSandbox, path: string, signal: AbortSignal) {
    try {
      return await readText(live, sandbox, path, signal);
    } catch (error) {
      if (error instanceof WorktrailError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  /** '' where there is none. */
  async function blobIfThere(sandbox: OpenSandbox, path: string, signal: AbortSignal): Promise<string> {
    let blob: string | null = '';
    const what = { path, offset: 0, length: 0, hash: hashOf(sandbox) };
    const begin = (file: LiveFile) => {
      ({ blob } = file);
    };
    try {
      await live.read(sandbox, what, begin, async () => undefined, signal);
    } catch (error) {
      if (!(error instanceof WorktrailError && error.code === 'not_found')) throw error;
    }
    if (blob === null) throw new EditRefused(`${path} is too large to be written by this tool`);
    return blob;
  }

  async function read(
    sandbox: OpenSandbox,
    { path, firstLine, lines }: Extract<FileToolUse, { tool: 'read_file' }>,
    toolCallId: string,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { text, blob } = await readText(live, sandbox, path, signal);
    const read = readLines(text, firstLine, lines, shownBytesMax);
    const { offset, bytes, total, nextLine, isCut } = read;
    const value = {
      ...{ path, offset: BigInt(offset), length: BigInt(bytes.length) },
      ...{ sha256: createHash('sha256').update(bytes).digest('hex'), source: 'tool', blob, toolCallId },
    };
    const output = {
      text: read.lines.map((line, index) => `${firstLine + index}\t${line}`).join('\n'),
      lines: total,
      ...(isCut && { cut: 'the line goes on' }),
      ...(nextLine !== null && { nextLine }),
    };
    return { output, events: [{ case: 'fileRead', value }] };
  }

  async function list(sandbox: OpenSandbox, path: string, signal: AbortSignal): Promise<Outcome> {
    if (path !== '') requirePath(path);
    const { items, next } = await live.list(sandbox, { path, limit: listMax, after: null }, signal);
    const names = fitting(items.map(({ name, type }) => (type === 'directory' ? `${name}/` : name)));
    const cut = next !== null || names.length < items.length;
    return { output: { names, ...(cut && { cut: true }) }, events: [] };
  }

  async function search(
    sandbox: OpenSandbox,
    { pattern, path, isRegex }: Extract<FileToolUse, { tool: 'search_text' }>,
    signal: AbortSignal,
  ): Promise<Outcome> {
    if (path !== '') requirePath(path);
    const { PATH } = baseEnvironment(sandbox.record.imageEnv);
    const mode = isRegex ? '-E' : '-F';
    const argv = ['grep', '-rnI', '--exclude-dir=.git', '-m', '50', mode, '-e', pattern, '--', `./${path}`];
    const command = {
      argv,
      env: { PATH: PATH!, LC_ALL: 'C.UTF-8' },
      timeoutMs: searchTimeoutMs,
      outputBytesMax: 2 * shownBytesMax,
    };
    const { end, stdout, stderr } = await runInternalCommand(sandbox.link, { ...command, signal });
    if (end.outcome === 'exited' && end.exitCode === 2 && stdout === '') throw new EditRefused(stderr.slice(0, 300));
    const lines = stdout.split('\n').filter((line) => line !== '');
    const shown = fitting(lines.map((line) => line.replace(/^\.\//, '').slice(0, 500)));
    const cut = shown.length < lines.length || end.outcome !== 'exited';
    return { output: { matches: shown, ...(cut && { cut: true }) }, events: [] };
  }

  /** What is to be written, from what is there now. */
  async function plan(sandbox: OpenSandbox, use: FileToolUse, signal: AbortSignal): Promise<PlannedFile[]> {
    switch (use.tool) {
      case 'write_file': {
        requirePath(use.path);
        const before = await blobIfThere(sandbox, use.path, signal);
        return [{ changeId: newId('event'), path: use.path, content: use.content, before }];
      }
      case 'edit_file': {
        const { text, blob } = await readText(live, sandbox, use.path, signal);
        return [{ changeId: newId('event'), path: use.path, content: replaced(text, use), before: blob }];
      }
      case 'apply_patch':
        return await planPatch(sandbox, use.patch, signal);
      default:
        throw new Error(`${use.tool} writes nothing`);
    }
  }

  async function planPatch(sandbox: OpenSandbox, patch: string, signal: AbortSignal): Promise<PlannedFile[]> {
    const files = createPatchedFiles((path) => readTextIfThere(sandbox, path, signal));
    for (const part of readPatch(patch)) await files.apply(part);
    return files.all().map((file) => ({ changeId: newId('event'), ...file }));
  }

  async function change(
    sandbox: OpenSandbox,
    input: UseFilesInput,
    { signal, canceled }: { signal: AbortSignal; canceled: AbortSignal },
  ): Promise<Outcome> {
    const path = keptPath(sandbox, input);
    const before = await openKeptPlan(path);
    const planned = before?.planned ?? (await plan(sandbox, input.use, AbortSignal.any([signal, canceled])));
    if (!before || before.made.length === 0) canceled.throwIfAborted();
    const kept = before ?? (await keepPlan(path, planned));
    const { made } = kept;
    for (const { content, before: blob, ...order } of kept.refused === undefined ? planned.slice(made.length) : []) {
      const bytes = content === null ? null : Buffer.from(content);
      const expected = blob === '' ? 'absent' : { blob };
      try {
        const file = await changes.changeTo(sandbox, { ...order, executable: null, expected, bytes }, signal);
        await kept.add({ made: { path: order.path, ...asOfAll(file, blob) } });
      } catch (error) {
        const refused = refusalOf(error);
        if (refused === undefined || made.length === 0) throw error;
        await kept.add({ refused });
        break;
      }
    }
    const shown = made.map(({ path: of, status, additions, deletions }) => ({
      path: of,
      status,
      additions,
      deletions,
    }));
    const files = made
      .filter(({ status }) => status !== 'unchanged')
      .map((file) => ({ ...file, additions: BigInt(file.additions), deletions: BigInt(file.deletions) }));
    const told: EventPayloadInit[] =
      files.length > 0
        ? [{ case: 'filesChanged', value: { source: 'tool', files, toolCallId: input.toolCallId } }]
        : [];
    if (kept.refused === undefined) return { output: { files: shown }, events: told };
    const error = `${kept.refused}. What is named in "files" was written before that, and nothing else`;
    return { output: { error, files: shown }, events: told, failed: true };
  }

  async function act(
    sandbox: OpenSandbox,
    input: UseFilesInput,
    ending: { signal: AbortSignal; canceled: AbortSignal },
  ): Promise<Outcome> {
    const { use } = input;
    const signal = AbortSignal.any([ending.signal, ending.canceled]);
    switch (use.tool) {
      case 'read_file':
        return await read(sandbox, use, input.toolCallId, signal);
      case 'list_files':
        return await list(sandbox, use.path, signal);
      case 'search_text':
        return await search(sandbox, use, signal);
      default:
        return await change(sandbox, input, ending);
    }
  }

  async function secretsOf({ projectId, secrets }: UseFilesInput): Promise<string[]> {
    const values = await Promise.all(secrets.map((name) => readSecret(projectId, name)));
    return values.filter((value) => value !== undefined);
  }

  return {
    use: async (sandbox, input, ending) => {
      const { turnId, toolCallId, agent, use } = input;
      const where = { ...input, producer: toolCallId, signal: ending.signal };
      // `tool.started` is the session's to write, perhaps just now.
      const signal = AbortSignal.any([ending.signal, ending.canceled]);
      const begun = recoverBegunProducer(events, { ...where, signal });
      const doing = async () => ({
        secrets: await secretsOf(input),
        ...(await actOrRefuse(() => act(sandbox, input, ending))),
      });
      // What changes nothing need not wait for it.
      const [stored, looked] = await Promise.all([begun, isChange(use) ? undefined : doing()]);
      // Another attempt has told it all: only its answer was lost.
      if (stored.ended) {
        await removeKeptPlan(keptPath(sandbox, input));
        return { changed: isChange(use) };
      }
      const { secrets, outcome, failed } = looked ?? (await doing());
      const output = masked(outcome.output, secrets);
      const producer = createProducer(events, where, stored);
      // Its begin is the first. What an attempt before has told of the rest stays; the end is still to be told, whatever it came to now.
      const missing = outcome.events.slice(Math.max(0, stored.number - 1));
      for (const payload of [...missing, endOf(toolCallId, output, failed)]) {
        await producer.append({ time: new Date(clock()), actor: { kind: 'agent', id: agent }, turnId, payload });
      }
      await removeKeptPlan(keptPath(sandbox, input));
      return { changed: isChange(use) };
    },
  };
}

/** Files are changed, or may have been before it was refused. */
function isChange({ tool }: FileToolUse): boolean {
  return tool === 'write_file' || tool === 'edit_file' || tool === 'apply_patch';
}

function endOf(toolCallId: string, output: unknown, failed: boolean): EventPayloadInit {
  return { case: 'toolEnded', value: { toolCallId, failed, outputJson: JSON.stringify(output) } };
}

async function actOrRefuse(work: () => Promise<Outcome>): Promise<{ outcome: Outcome; failed: boolean }> {
  try {
    const outcome = await work();
    return { outcome, failed: outcome.failed === true };
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    return { outcome: { output: { error: refusal }, events: [] }, failed: true };
  }
}

/** As many of the first as are shown together. */
function fitting(lines: readonly string[]): string[] {
  let bytes = 0;
  const end = lines.findIndex((line) => (bytes += Buffer.byteLength(line) + 1) > shownBytesMax);
  return end < 0 ? [...lines] : lines.slice(0, Math.max(1, end)).map((line) => line.slice(0, shownBytesMax));
}

function keptPath({ directory }: OpenSandbox, { toolCallId }: UseFilesInput): string {
  return join(directory.path, 'tool-uses', `${toolCallId}.jsonl`);
}

/** An attempt before, whose answer is lost, may have done it: how many lines that changed is told by the next checkpoint. */
function asOfAll(file: ChangedFile, before: string): ChangedFile {
  if (file.status !== 'unchanged' || before === file.newBlob) return file;
  const status = file.newBlob === '' ? 'deleted' : before === '' ? 'added' : 'modified';
  return { ...file, status, oldBlob: before };
}
