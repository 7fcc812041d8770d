// For integration tests of checkpoints: an engine over a runner's bench, artifacts as files of a directory, and sessions to try it on.

import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type {
  CheckpointFacts,
  CheckpointRef,
  RestorePoint,
  StoredArtifact,
  StoredBundle,
} from '@worktrail/contract/checkpoints';
import { bundlesUpTo } from '@worktrail/contract/forks';
import { newId } from '@worktrail/contract/ids';
import type {
  CheckpointInput,
  CheckpointResult,
  OpenedSandbox,
  OpenSandboxInput,
  RevertInput,
} from '@worktrail/contract/sandbox-activities';
import type { RevertedFiles } from '@worktrail/contract/session-messages';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { activityRun, type BenchRunner, newCommand, newSession, outputOf, type RunnerBench } from '../runner-bench.ts';
import { ArtifactCorrupt, ArtifactMissing, type ArtifactStore } from '../artifacts/artifact-store.ts';
import {
  type CheckpointEngine,
  type CheckpointEngineDeps,
  createCheckpointEngine,
  defaultCheckpointLimits,
} from './checkpoint-engine.ts';
import { startAsChild } from '../host/program-start.ts';

const sandboxUser = 1000;

export interface CheckpointBench {
  readonly engine: CheckpointEngine;
  readonly artifacts: ArtifactStore;
  /** Where the artifact is. */
  artifactPath(name: string): string;
  makeEngine(changes?: Partial<CheckpointEngineDeps>): CheckpointEngine;
  /** `inherited`: what a fork has of its parent. */
  open(changes?: Partial<OpenSandboxInput>, inherited?: Kept): Promise<TriedSession>;
}

/** Every file of the work tree with its kind, executable bit, content or target; what is ignored is not in it. */
export const listing = `find . -name .git -prune -o -type d -name ignored -prune -o ! -type d -printf '%y %m %l ' -exec sh -c \
'[ -L "$1" ] || sha256sum < "$1"; printf "%s\\0\\n" "$1"' sh {} \\; | sed 's/ 6[0-7][0-7] / 644 /; s/ 7[0-7][0-7] / 755 /' | sort -z`;

interface Kept {
  checkpoints: CheckpointFacts[];
  bundles: StoredBundle[];
}

/** A session as its workflow would know it. */
export interface TriedSession extends Kept {
  readonly input: OpenSandboxInput;
  readonly opened: OpenedSandbox;
  readonly path: string;
  sandbox(): Promise<OpenSandbox>;
  /** Runs it in the work tree as a user's command; answers what it printed on both streams. */
  run(command: string): Promise<string>;
  next(changes?: Partial<CheckpointInput>): CheckpointInput;
  take(changes?: Partial<CheckpointInput>): Promise<CheckpointResult>;
  /** As `take`, of something that has changed. */
  kept(changes?: Partial<CheckpointInput>): Promise<CheckpointFacts>;
  restorePoint(): RestorePoint;
  /** Of `to`, from the newest checkpoint. */
  revertInput(to: CheckpointFacts, changes?: Partial<RevertInput>): RevertInput;
  /** As its workflow would: what has changed is kept, the files are reverted, and that is kept. */
  revert(to: CheckpointFacts): Promise<RevertedFiles & { checkpoint: CheckpointFacts }>;
  /** Another session, that begins at one of this one's checkpoints, on the runner of that bench. */
  fork(from: CheckpointFacts, on: CheckpointBench): Promise<TriedSession>;
}

/** `on`: of the bench's runners, and where what it stores is read by all of them. */
export function createCheckpointBench(
  bench: RunnerBench,
  on: { runner?: BenchRunner; artifacts?: ArtifactStore } = {},
): CheckpointBench {
  const root = join(bench.path, 'artifacts');
  const { runner = bench, artifacts = createDirectoryStore(root) } = on;
  const { signal } = new AbortController();
  const makeEngine = (changes: Partial<CheckpointEngineDeps> = {}) =>
    createCheckpointEngine({
      start: startAsChild,
      artifacts,
      events: bench.publishing,
      sessionPath: (sessionId) => runner.parts().directories.at(sessionId).path,
      sandboxUser,
      limits: { ...defaultCheckpointLimits, diskReserveBytes: 0 },
      clock: Date.now,
      ...changes,
    });
  const engine = makeEngine();

  return {
    engine,
    artifacts,
    artifactPath: (name) => join(root, name),
    makeEngine,
    async open(changes, inherited = { checkpoints: [], bundles: [] }) {
      const input = newSession(bench, changes);
      const opened = await runner.parts().sandboxes.open(input, signal);
      const session: TriedSession = {
        input,
        opened,
        path: runner.parts().directories.at(input.sessionId).path,
        ...inherited,
        async sandbox() {
          const sandbox = await runner.parts().sandboxes.attach(input);
          if (!sandbox) throw new Error('the sandbox is not open');
          return sandbox;
        },
        async run(text) {
          const command = newCommand(input, text);
          await runner.parts().commands.run(command, activityRun());
          return outputOf(await bench.events(command)).toString();
        },
        next: (changed = {}) => ({
          ...input,
          checkpointId: newId('checkpoint'),
          number: session.checkpoints.length + 1,
          label: '',
          commandId: '',
          previous: refOf(session.checkpoints.at(-1)),
          baseCommit: opened.baseCommit,
          bundles: session.bundles,
          compact: false,
          evenIfUnchanged: false,
          ...changed,
        }),
        async take(changed) {
          const wanted = session.next(changed);
          const result = await engine.take(await session.sandbox(), wanted, signal);
          if (!result.changed) return result;
          session.checkpoints.push(result.checkpoint);
          const bundle = { ...result.bundle, upTo: result.checkpoint.number };
          session.bundles = wanted.compact ? [bundle] : [...session.bundles, bundle];
          return result;
        },
        async kept(changed) {
          const result = await session.take(changed);
          if (!result.changed) throw new Error('nothing has changed');
          return result.checkpoint;
        },
        revertInput: (to, changed = {}) => ({
          ...{ ...input, revertId: newId('checkpoint'), baseCommit: opened.baseCommit, bundles: session.bundles },
          ...{ to: refOf(to)!, from: refOf(session.checkpoints.at(-1))! },
          ...changed,
        }),
        async revert(to) {
          await session.take();
          const reverted = await engine.revert(await session.sandbox(), session.revertInput(to), signal);
          return { ...reverted, checkpoint: await session.kept({ evenIfUnchanged: true }) };
        },
        async fork(from, elsewhere) {
          const { organizationId, projectId, repository, branch, branchesBefore = [] } = input;
          const bundles = bundlesUpTo(session.bundles, from.number);
          const restore = { baseCommit: opened.baseCommit, checkpoint: refOf(from), bundles, archive: null };
          const asFork = {
            organizationId,
            projectId,
            repository,
            restore,
            branchesBefore: [branch, ...branchesBefore],
          };
          const checkpoints = session.checkpoints.filter(({ number }) => number <= from.number);
          return await elsewhere.open(asFork, { checkpoints, bundles });
        },
        restorePoint: () => ({
          baseCommit: opened.baseCommit,
          checkpoint: refOf(session.checkpoints.at(-1)),
          bundles: session.bundles,
          archive: null,
        }),
      };
      return session;
    },
  };
}

function refOf(facts: CheckpointFacts | undefined): CheckpointRef | null {
  return facts ? { id: facts.id, number: facts.number, commit: facts.commit, tree: facts.tree } : null;
}

function createDirectoryStore(root: string): ArtifactStore {
  const describe = async (name: string, path: string): Promise<StoredArtifact> => {
    const bytes = await readFile(path);
    return { name, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
  };
  return {
    async put(name, path) {
      const to = join(root, name);
      await mkdir(dirname(to), { recursive: true });
      const artifact = await describe(name, path);
      const there = await describe(name, to).catch(() => undefined);
      if (there && there.sha256 !== artifact.sha256) throw new Error(`${name} is another artifact`);
      await copyFile(path, to);
      return artifact;
    },
    async get(artifact, path) {
      const from = join(root, artifact.name);
      const there = await describe(artifact.name, from).catch(() => undefined);
      if (!there) throw new ArtifactMissing(artifact.name);
      if (there.sha256 !== artifact.sha256 || there.bytes !== artifact.bytes) throw new ArtifactCorrupt(artifact.name);
      await copyFile(from, path);
    },
  };
}
