import { readdirSync, readFileSync } from 'node:fs';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '@worktrail/runtime/log';
import { installTemporalRuntime } from '@worktrail/runtime/temporal';
import { bundleDirectory } from '../test/orchestrator-bed.ts';
import { historyFromJson } from '../test/recorded-history.ts';
import { loadWorkflowBundle, type WorkflowBundle } from './workflow-bundle.ts';

const directory = new URL('../histories/', import.meta.url);
const names = readdirSync(directory).map((file) => file.replace(/\.json$/, ''));

const read = (name: string) => readFileSync(new URL(`${name}.json`, directory), 'utf8');
const workflowIdOf = (name: string) => (name === 'reconcile' ? name : `${name.split('-')[0]}:replayed`);

describe('the workflow code', () => {
  let workflowBundle: WorkflowBundle;
  beforeAll(async () => {
    installTemporalRuntime(createLogger({ service: 'replay', level: 'silent' }));
    workflowBundle = await loadWorkflowBundle(bundleDirectory);
  }, 120_000);

  const replay = (name: string, history: string) =>
    Worker.runReplayHistory({ workflowBundle }, historyFromJson(history), workflowIdOf(name));

  it('has histories of each workflow to prove itself by', () => {
    expect(names).toContain('reconcile');
    expect(names).toContain('webhook-served');
    expect(names.filter((name) => name.startsWith('session')).length).toBeGreaterThanOrEqual(4);
    expect(names.filter((name) => name.startsWith('trial')).length).toBeGreaterThanOrEqual(2);
    expect(names.filter((name) => name.startsWith('proposal')).length).toBeGreaterThanOrEqual(2);
    expect(names.filter((name) => name.startsWith('scan')).length).toBeGreaterThanOrEqual(2);
  });

  it.each(names)('decides as it did when %s was recorded', async (name) => {
    await replay(name, read(name));
  });

  it.each([
    ['session-life', '"name": "runCommand"', '"name": "runAnotherCommand"'],
    ['session-life', '"name": "openSandbox"', '"name": "removeSandbox"'],
    ['trial-completed', '"name": "recordTrial"', '"name": "recordSession"'],
  ])('is refused by a history of %s that was made by other code', async (name, recorded, other) => {
    const history = read(name);
    expect(history).toContain(recorded);
    await expect(replay(name, history.replace(recorded, other))).rejects.toThrow(DeterminismViolationError);
  });
});
