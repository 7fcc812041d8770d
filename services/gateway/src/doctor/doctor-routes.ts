// What has no counterpart, and its removal: an operator's view, as far as it is the organization's own.
//
// 1. A key sees what belongs to its organization and what belongs to nobody; of other organizations not even that there is something.
// 2. GET removes nothing. A fix removes what is past its grace at that moment, tells what, and is audited.

import { z } from '@hono/zod-openapi';
import type { Audit } from '../audit.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import { time } from '../text.ts';
import type { Doctors, DoctorsAnswers } from './ask-doctors.ts';

const tag = 'Operation';
const auditedMax = 100;

const findingSchema = z
  .object({
    part: z.enum(['sandbox-runner', 'orchestrator']),
    id: z.string().openapi({ description: "Of the part's process that found it: a runner's id." }),
    kind: z.string().openapi({ description: 'container, volume, directory, artifact, session, workflow, …' }),
    name: z.string(),
    organizationId: z.string().nullable().openapi({ description: "null: nobody's." }),
    sessionId: z.string().nullable(),
    generation: z.int().nullable(),
    since: time,
    reason: z.string(),
    action: z.enum(['remove', 'report']).openapi({ description: 'report: only a person can tell whether it may go.' }),
    due: time.nullable().openapi({ description: 'When it is removed; null for report.' }),
  })
  .openapi('Finding');

const found = {
  findings: z.array(findingSchema),
  checkedAt: time,
  truncated: z.boolean().openapi({ description: 'There are more findings than are shown.' }),
  incomplete: z
    .array(z.string())
    .openapi({ description: 'Who did not answer, and what could not be looked at: empty when all was.' }),
};

const doctorSchema = z.object(found).openapi('Doctor');

const fixSchema = z
  .object({
    ...found,
    removed: z.array(findingSchema),
    failed: z.array(z.object({ finding: findingSchema, reason: z.string() })),
  })
  .openapi('DoctorFix');

export interface DoctorRouteDeps {
  doctors: Doctors;
  runners: Pick<RunnerView, 'list'>;
  audit: Audit;
}

export function addDoctorRoutes(api: Api, { doctors, runners, audit }: DoctorRouteDeps): void {
  const ask = async (organizationId: string, fix: boolean, timeMs: number) => {
    const runnerIds = (await runners.list()).map(({ id }) => id);
    return together(await doctors.ask({ organizationId, fix }, runnerIds), organizationId, timeMs);
  };
  api.route(
    {
      method: 'get',
      path: '/v1/doctor',
      tag,
      summary: "What has no counterpart: the organization's own, and what is nobody's",
      action: 'doctor.read',
      answers: { 200: { description: 'Findings; nothing is removed', schema: doctorSchema } },
    },
    async ({ principal, draw }) => {
      const { removed: _, failed: __, ...shown } = await ask(principal.organizationId, false, draw.timeMs);
      return json(200, shown);
    },
  );
  api.route(
    {
      method: 'post',
      path: '/v1/doctor/fix',
      tag,
      summary: 'Remove what has no counterpart and is past its grace',
      action: 'doctor.fix',
      answers: { 200: { description: 'What was removed, and what is left', schema: fixSchema } },
    },
    async (request) => {
      const { organizationId } = request.principal;
      const fixed = await ask(organizationId, true, request.draw.timeMs);
      await audit.record(request, {
        organizationId,
        action: 'doctor.fixed',
        resourceId: organizationId,
        detail: {
          removed: fixed.removed.length,
          failed: fixed.failed.length,
          names: fixed.removed.slice(0, auditedMax).map(({ kind, name }) => `${kind} ${name}`),
        },
      });
      return json(200, fixed);
    },
  );
}

function together({ answers, missing }: DoctorsAnswers, organizationId: string, timeMs: number) {
  const isShown = (one: { organizationId: string | null }) =>
    one.organizationId === null || one.organizationId === organizationId;
  const sorted = answers.toSorted((a, b) => (`${a.part} ${a.id}` < `${b.part} ${b.id}` ? -1 : 1));
  const checked = sorted.map(({ checkedAt }) => Date.parse(checkedAt));
  return {
    findings: sorted.flatMap(({ part, id, findings }) => findings.filter(isShown).map((one) => ({ part, id, ...one }))),
    removed: sorted.flatMap(({ part, id, removed }) => removed.filter(isShown).map((one) => ({ part, id, ...one }))),
    failed: sorted.flatMap(({ part, id, failed }) =>
      failed
        .filter(({ finding }) => isShown(finding))
        .map(({ finding, reason }) => ({ finding: { part, id, ...finding }, reason })),
    ),
    checkedAt: new Date(Math.min(timeMs, ...checked)).toISOString(),
    truncated: answers.some(({ truncated }) => truncated),
    incomplete: [
      ...missing.map((name) => `${name} did not answer`),
      ...sorted.flatMap(({ id, incomplete }) => incomplete.map((what) => `${id}: ${what}`)),
    ],
  };
}
