import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { sessionWorkflowId } from '@worktrail/contract/session-messages';
import { scanAnswerKey } from '@worktrail/contract/suggestions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { makeScannedProject } from '../../test/scan-client.ts';
import { sampleFinding } from '../../test/scripted-scans.ts';
import { until } from '../../test/session-client.ts';
import { answeredOnce } from './stored-answer.ts';

const suggestion = (title: string) => ({ title, description: '', path: 'a.ts', firstLine: 1, lastLine: 1 });

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

// A worker that keeps no workflow in memory replays each task: what is not deterministic shows at once.
describe('a scan', () => {
  let bed: OrchestratorBed;
  beforeAll(async () => {
    bed = await startOrchestratorBed(servers, 0);
  });
  afterAll(() => bed.stop());

  const found = (...texts: string[]) => {
    Object.assign(bed.scans, {
      findings: texts.map((text) => sampleFinding(text)),
      complete: true,
      repository: 'there',
    });
  };
  const states = async (project: Awaited<ReturnType<typeof makeScannedProject>>) =>
    Object.fromEntries(Object.entries(await project.suggestions()).map(([title, { state }]) => [title, state]));

  it('stores what is found; again, nothing twice, nothing that was decided, and what is gone is resolved', async () => {
    const project = await makeScannedProject(bed);
    found('a', 'b', 'c', 'd');
    expect(await project.scan()).toMatchObject({ state: 'completed', added: 4, updated: 0, resolved: 0, notes: [] });
    const before = await project.suggestions();
    await project.decide('a', 'dismissed');
    await project.decide('b', 'accepted');
    found('a', 'c', 'e');
    expect(await project.scan()).toMatchObject({ state: 'completed', added: 1, updated: 1, resolved: 1 });
    expect(await states(project)).toEqual({ a: 'dismissed', b: 'accepted', c: 'open', d: 'resolved', e: 'open' });
    expect((await project.suggestions())['c']!.id).toBe(before['c']!.id);
    found('d');
    await project.scan();
    expect(await states(project)).toEqual({ a: 'dismissed', b: 'accepted', c: 'resolved', d: 'open', e: 'resolved' });
  });

  it('resolves nothing where not everything could be looked at', async () => {
    const project = await makeScannedProject(bed);
    found('a');
    await project.scan();
    found();
    bed.scans.complete = false;
    expect(await project.scan()).toMatchObject({ resolved: 0, notes: ['some files could not be looked at'] });
    expect(await states(project)).toEqual({ a: 'open' });
  });

  it('runs the required checks on the commit, in a session that is archived after them', async () => {
    const project = await makeScannedProject(bed);
    found();
    const scanned = await project.scan({ checks: ['exit 3', 'exit 0', 'exit 4'] });
    expect(scanned.kinds).toContain('failing_check');
    const [first, second] = Object.values(await project.suggestions()).toSorted((one, two) =>
      one.title < two.title ? -1 : 1,
    );
    expect([first!.title, second!.title]).toEqual([
      'The check "exit 3" exits with 3',
      'The check "exit 4" exits with 4',
    ]);
    const { sessionId } = first!.output!;
    expect(second!.output!.sessionId).toBe(sessionId);
    const opened = bed.client.workflow.getHandle(sessionWorkflowId(sessionId));
    await opened.result();
    const { events } = await opened.fetchHistory();
    const input = events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads![0]!.data!;
    expect(JSON.parse(Buffer.from(input).toString()).baseRef).toBe(scanned.commit);
    await project.scan({ checks: ['exit 3', 'exit 0'] });
    expect(await states(project)).toEqual({ [first!.title]: 'open', [second!.title]: 'resolved' });
  });

  it('says so where checks cannot be run, and leaves what they found before', async () => {
    const project = await makeScannedProject(bed);
    found('a');
    await project.scan({ checks: ['exit 3'] });
    bed.runner.failNextOpen('repository_unreachable', 'no such repository');
    const scanned = await project.scan({ checks: ['exit 3'] });
    expect(scanned).toMatchObject({ state: 'completed', resolved: 0 });
    expect(scanned.notes.join()).toMatch(/^the check "exit 3" could not be run in ses_\w+: failed_to_start/);
    expect(scanned.kinds).not.toContain('failing_check');
    expect(await states(project)).toEqual({ a: 'open', 'The check "exit 3" exits with 3': 'open' });
  });

  it('goes on without a model that cannot be asked', async () => {
    const project = await makeScannedProject(bed);
    found('a');
    const scanned = await project.scan({ model: 'none/such' });
    expect(scanned).toMatchObject({ state: 'completed', added: 1 });
    expect(scanned.notes).toHaveLength(1);
    expect(scanned.notes[0]).toMatch(/^the model could not be asked: there is no model "none\/such"/);
  });

  it('asks a model once, whoever died after its answer was stored; the next scan asks anew', async () => {
    const project = await makeScannedProject(bed);
    found('a');
    let asked = 0;
    bed.model.answer = () => ({ text: JSON.stringify({ suggestions: [suggestion(`said ${++asked}`)] }), calls: [] });
    const startedAt = new Date().toISOString();
    const scan = { ...project.spec, startedAt };
    const ask = () => answeredOnce(bed.configuration, scan, async () => `answer ${++asked}`);
    expect([await ask(), await ask()]).toEqual(['answer 1', 'answer 1']);
    await project.scan({ model: 'custom/scripted' });
    expect(await states(project)).toMatchObject({ 'said 2': 'open' });
    const { organizationId, projectId } = project.spec;
    const left = await bed.configuration.get(scanAnswerKey(organizationId, projectId));
    expect(left?.operation).toBe('DEL');
  });

  it('fails where the repository cannot be read, and changes nothing', async () => {
    const project = await makeScannedProject(bed);
    found('a');
    await project.scan();
    bed.scans.repository = 'unreachable';
    expect(await project.scan()).toMatchObject({ state: 'failed', detail: 'the remote does not answer', step: null });
    expect(await states(project)).toEqual({ a: 'open' });
  });

  it('is one of a project at a time, and goes on when its orchestrator is started anew', async () => {
    const project = await makeScannedProject(bed);
    found('a', 'b');
    const running = await project.start({ checks: ['hold one', 'exit 5'] });
    await expect(project.start()).rejects.toThrow(WorkflowExecutionAlreadyStartedError);
    await until(project.document, (document) => document?.step === 'checking');
    const held = await until(async () => bed.runner.idOf('hold one'), Boolean);
    await bed.stopOrchestrator();
    await bed.startOrchestrator();
    await bed.runner.release(held!, 7);
    await running.result();
    expect(await project.document()).toMatchObject({ state: 'completed', added: 4 });
    expect(Object.keys(await project.suggestions()).toSorted()).toEqual([
      'The check "exit 5" exits with 5',
      'The check "hold one" exits with 7',
      'a',
      'b',
    ]);
  });

  it('leaves nothing of a project that is deleted meanwhile', async () => {
    const project = await makeScannedProject(bed);
    found('a');
    const running = await project.start({ checks: ['hold two'] });
    const held = await until(async () => bed.runner.idOf('hold two'), Boolean);
    await project.delete();
    await bed.runner.release(held!);
    await running.result();
    expect(await project.suggestions()).toEqual({});
    expect(await project.document()).toBeUndefined();
  });
});
