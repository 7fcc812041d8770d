// The doctor over the public API. The test plays the parts that answer.

import type { DoctorAnswer, DoctorPart, DoctorRequest, Finding } from '@worktrail/contract/doctor';
import { newId } from '@worktrail/contract/ids';
import { doctorSubject } from '@worktrail/contract/subjects';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fixture, openFixture } from '../gateway-fixture.ts';

let fixture: Fixture;
const asked: DoctorRequest[] = [];

beforeAll(async () => {
  fixture = await openFixture('doctor');
  await fixture.announceRunner();
});

afterAll(() => fixture?.close());

const finding = (name: string, organizationId: string | null): Finding => ({
  ...{ kind: 'volume', name, organizationId, sessionId: null, generation: null, reason: 'its session is unknown' },
  ...{ since: new Date(0).toISOString(), action: 'remove', due: new Date(1).toISOString() },
});

/** Answers each request with this; the returned function ends it. */
async function play(part: DoctorPart, id: string, found: Partial<DoctorAnswer>): Promise<() => Promise<void>> {
  const subscription = fixture.connection.subscribe(doctorSubject(part), {
    callback: (_, message) => {
      asked.push(message.json<DoctorRequest>());
      const whole = { part, id, findings: [], removed: [], failed: [], truncated: false, incomplete: [] };
      message.respond(JSON.stringify({ ...whole, checkedAt: new Date(0).toISOString(), ...found }));
    },
  });
  await fixture.connection.flush();
  return async () => {
    subscription.unsubscribe();
    await fixture.connection.flush();
  };
}

test('every runner that is alive and one orchestrator are asked, and what they say of others is not passed on', async () => {
  const { organizationId, call } = fixture;
  const own = finding('own', organizationId);
  const findings = [own, finding('other', newId('organization')), finding('nobody', null)];
  const stops = [
    await play('sandbox-runner', 'run-test', { findings, removed: findings }),
    await play('orchestrator', 'o', { findings: [finding('artifact', organizationId)], incomplete: ['sessions'] }),
  ];
  const shown = await call('GET', '/v1/doctor');
  expect(shown.status).toBe(200);
  expect(shown.body.findings.map(({ part, id, name }: any) => `${part} ${id} ${name}`)).toEqual([
    'orchestrator o artifact',
    'sandbox-runner run-test own',
    'sandbox-runner run-test nobody',
  ]);
  expect(shown.body).toMatchObject({ incomplete: ['o: sessions'], truncated: false });
  expect(shown.body).not.toHaveProperty('removed');
  expect(asked).toEqual([
    { organizationId, fix: false },
    { organizationId, fix: false },
  ]);

  const fixed = await call('POST', '/v1/doctor/fix');
  expect(fixed.body.removed.map(({ name }: any) => name)).toEqual(['own', 'nobody']);
  expect(asked.at(-1)).toEqual({ organizationId, fix: true });
  const audited = (await call('GET', '/v1/audit')).body.items.find((one: any) => one.action === 'doctor.fixed');
  expect(audited).toMatchObject({
    resourceId: organizationId,
    detail: { removed: 2, names: ['volume own', 'volume nobody'] },
  });
  for (const stop of stops) await stop();
});

test('who does not answer is named, and the others are still heard', async () => {
  const stop = await play('orchestrator', 'o', { findings: [finding('a', null)] });
  const { body } = await fixture.call('GET', '/v1/doctor');
  expect(body.incomplete).toEqual(['run-test did not answer']);
  expect(body.findings).toHaveLength(1);
  await stop();
});
