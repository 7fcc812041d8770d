import type { Client } from '@temporalio/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createWorkflowClient } from './workflow-client.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = () => new Promise<never>(() => undefined);

/** A Temporal whose workflows need ten seconds for an update. */
function clientOf(parts: { temporal?: () => Promise<unknown>; orchestrator?: () => Promise<void> } = {}) {
  const executeUpdate = vi.fn(() => new Promise((resolve) => setTimeout(resolve, 10_000, 'archived')));
  const client = {
    options: { namespace: 'default' },
    withDeadline: (_deadline: number, run: () => Promise<unknown>) => run(),
    workflowService: { describeNamespace: parts.temporal ?? (async () => ({})) },
    workflow: { getHandle: () => ({ executeUpdate }) },
  } as unknown as Client;
  const workflows = createWorkflowClient(client, parts.orchestrator ?? (async () => undefined));
  return { executeUpdate, archive: () => workflows.update('session:1', 'archive', [], { takesLong: true }) };
}

test('an update that takes long is waited for while Temporal and an orchestrator answer', async () => {
  const done = clientOf().archive();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await done).toBe('archived');
});

test('one that takes longer than a request waits is told as such', async () => {
  const { archive, executeUpdate } = clientOf();
  executeUpdate.mockImplementation(never);
  const told = expect(archive()).rejects.toMatchObject({ code: 'still_running' });
  await vi.advanceTimersByTimeAsync(61_000);
  await told;
});

test.each([
  ['temporal', { temporal: never }],
  ['orchestrator', { orchestrator: never }],
  ['orchestrator', { orchestrator: () => Promise.reject(new Error('no process answers')) }],
])('it is not begun when %s does not answer', async (part, parts) => {
  const { archive, executeUpdate } = clientOf(parts);
  const refused = expect(archive()).rejects.toMatchObject({ code: 'dependency_unavailable', members: { part } });
  await vi.advanceTimersByTimeAsync(2_000);
  await refused;
  expect(executeUpdate).not.toHaveBeenCalled();
});

test('a workflow task that was handed to an orchestrator which is then killed waits for five seconds', async () => {
  const start = vi.fn(async () => undefined);
  const client = {
    withDeadline: (_deadline: number, run: () => Promise<unknown>) => run(),
    workflow: { start },
  } as unknown as Client;
  await createWorkflowClient(client, async () => undefined).start('session', 'session:1', {});
  expect(start).toHaveBeenCalledWith('session', expect.objectContaining({ workflowTaskTimeout: 5_000 }));
});
