// Answers what has no counterpart to whoever asks over NATS.
//
// 1. One examination at a time: who asks meanwhile waits for its turn, at most `waitingMax` of them.
// 2. An answer holds findings of the asker's organization and nobody's, at most `findingsMax`, and always fits in a message.

import type { NatsConnection } from '@nats-io/transport-node';
import {
  type DoctorAnswer,
  type DoctorPart,
  type DoctorRequest,
  type Finding,
  findingsMax,
} from '@worktrail/contract/doctor';
import { doctorSubject } from '@worktrail/contract/subjects';
import { z } from 'zod';
import type { DatedFinding } from './first-seen.ts';
import type { Lifetime } from './lifetime.ts';
import type { Logger } from './log.ts';

const waitingMax = 8;
const textCharactersMax = 300;
const answerBytesMax = 900 * 1024;

const requestSchema = z.object({ organizationId: z.string().max(100), fix: z.boolean() });

export interface Examination {
  findings: readonly DatedFinding[];
  removed: readonly DatedFinding[];
  failed: readonly { finding: DatedFinding; reason: string }[];
  /** What could not be looked at. */
  incomplete: readonly string[];
  checkedAtMs: number;
}

/** Whose findings a fix may act on; undefined: everybody's. */
export type Scope = (owner: string | null) => boolean;

export interface DoctorOptions {
  part: DoctorPart;
  id: string;
  /** Only one of the part's processes answers. */
  oneOfAll: boolean;
  examine(options: { fix: boolean; mayFix: Scope }): Promise<Examination>;
  log: Logger;
}

export function answerDoctor(nats: NatsConnection, options: DoctorOptions, lifetime: Lifetime): void {
  const { part, id, examine, log } = options;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  const answer = async (request: DoctorRequest): Promise<DoctorAnswer> => {
    const isShown: Scope = (owner) => owner === null || owner === request.organizationId;
    const found = await examine({ fix: request.fix, mayFix: isShown });
    return doctorAnswer({ part, id }, found, isShown);
  };
  const subscription = nats.subscribe(doctorSubject(part), {
    ...(options.oneOfAll && { queue: part }),
    callback: (error, message) => {
      if (error || waiting >= waitingMax || lifetime.signal.aborted) return;
      const request = parse(message.data);
      if (!request) return;
      waiting += 1;
      last = last
        .then(() => answer(request))
        .then((found) => message.respond(JSON.stringify(found)))
        .catch((err: unknown) => log.warn({ err }, 'the doctor could not answer'))
        .finally(() => (waiting -= 1));
    },
  });
  lifetime.onClose(`doctor of ${part}`, async () => {
    subscription.unsubscribe();
    await last;
  });
}

export function doctorAnswer(
  who: Pick<DoctorAnswer, 'part' | 'id'>,
  examined: Examination,
  isShown: Scope,
): DoctorAnswer {
  const shown = examined.findings.filter((one) => one.isShown && isShown(one.organizationId));
  const failed = examined.failed.filter(({ finding }) => isShown(finding.organizationId));
  const removed = examined.removed.filter(({ organizationId }) => isShown(organizationId));
  const answer: DoctorAnswer = {
    ...who,
    findings: shown.slice(0, findingsMax).map(plain),
    removed: removed.slice(0, findingsMax).map(plain),
    failed: failed
      .slice(0, findingsMax)
      .map(({ finding, reason }) => ({ finding: plain(finding), reason: cut(reason) })),
    checkedAt: new Date(examined.checkedAtMs).toISOString(),
    truncated: [shown, removed, failed].some((list) => list.length > findingsMax),
    incomplete: examined.incomplete.slice(0, 20).map(cut),
  };
  for (let size = JSON.stringify(answer).length; size > answerBytesMax; size = JSON.stringify(answer).length) {
    const longest = [answer.findings, answer.removed, answer.failed].toSorted((a, b) => b.length - a.length)[0]!;
    longest.splice(Math.floor(longest.length / 2));
    answer.truncated = true;
  }
  return answer;
}

function plain(dated: DatedFinding): Finding {
  const { isDue: _, isShown: __, ...finding } = dated;
  return { ...finding, name: cut(finding.name), reason: cut(finding.reason) };
}

function cut(text: string): string {
  return text.slice(0, textCharactersMax);
}

function parse(data: Uint8Array): DoctorRequest | undefined {
  try {
    return requestSchema.parse(JSON.parse(new TextDecoder().decode(data)));
  } catch {
    return undefined;
  }
}
