// Asks every part what has no counterpart: each runner that is alive, and one orchestrator.
//
// It waits for those that are known to be there, and for nobody longer than the time allows: who has not answered is named.

import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import { type DoctorAnswer, doctorAnswerMs, doctorFixMs, type DoctorRequest } from '@worktrail/contract/doctor';
import { doctorSubject } from '@worktrail/contract/subjects';

const orchestrator = 'orchestrator';

export interface DoctorsAnswers {
  answers: DoctorAnswer[];
  /** Who did not answer: a runner's id, or the part. */
  missing: string[];
}

export interface Doctors {
  ask(request: DoctorRequest, runnerIds: readonly string[]): Promise<DoctorsAnswers>;
}

export function createDoctors(nats: NatsConnection): Doctors {
  return {
    async ask(request, runnerIds) {
      const inbox = createInbox();
      const answers = new Map<string, DoctorAnswer>();
      const missing = new Set([...runnerIds, orchestrator]);
      const done = Promise.withResolvers<void>();
      const subscription = nats.subscribe(inbox, {
        callback: (error, message) => {
          // Without a responder the server says so with an empty message: the others may still answer.
          if (error || message.data.length === 0) return;
          const answer = message.json<DoctorAnswer>();
          const name = answer.part === orchestrator ? orchestrator : answer.id;
          answers.set(name, answer);
          missing.delete(name);
          if (missing.size === 0) done.resolve();
        },
      });
      const timer = setTimeout(done.resolve, request.fix ? doctorFixMs : doctorAnswerMs);
      try {
        const text = JSON.stringify(request);
        for (const part of ['sandbox-runner', orchestrator] as const)
          nats.publish(doctorSubject(part), text, { reply: inbox });
        await done.promise;
      } finally {
        clearTimeout(timer);
        subscription.unsubscribe();
      }
      return { answers: [...answers.values()], missing: [...missing].toSorted() };
    },
  };
}
