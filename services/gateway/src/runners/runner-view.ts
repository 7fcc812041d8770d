// The runners that are alive: their announcements, which vanish when they are not renewed.

import { JetStreamError, type JetStreamManager } from '@nats-io/jetstream';
import type { RunnerDocument } from '@worktrail/contract/documents';
import { buckets } from '@worktrail/contract/subjects';
import { callTimeoutsMs, type Part, unavailable, within } from '../deadline.ts';

export interface RunnerView {
  list(): Promise<RunnerDocument[]>;
  /** One that is alive, as it was seen in the last seconds. */
  find(runnerId: string): Promise<RunnerDocument | undefined>;
  /** For what needs a new sandbox. @throws dependency_unavailable, of the part that keeps every runner from making one. */
  checkPlaceable(): Promise<void>;
  /** @throws dependency_unavailable when no runner is alive. */
  checkAlive(): Promise<void>;
  /**
   * For every command, with its session's runner: answers from what was seen in the last seconds, and looks again meanwhile.
   * @throws dependency_unavailable when no runner is alive, or this one lacks the space to start a command.
   */
  checkPresent(runnerId: string | null): Promise<void>;
}

/** So long a runner that was seen counts as alive without asking. */
const seenMaxAgeMs = 10_000;
const lookAgainMs = 1_000;

export function createRunnerView(jsm: JetStreamManager): RunnerView {
  let seenMs = 0;
  let lookedMs = 0;
  let seen: RunnerDocument[] = [];
  const list = async () => {
    lookedMs = Date.now();
    const documents = await within('nats', callTimeoutsMs.nats, () => readAll(jsm));
    if (documents.length > 0) seenMs = Date.now();
    seen = documents;
    return documents;
  };
  return {
    list,
    async find(runnerId) {
      const known = () => seen.find(({ id }) => id === runnerId);
      const isFresh = Date.now() - lookedMs < lookAgainMs;
      return (isFresh ? known() : undefined) ?? (await list()).find(({ id }) => id === runnerId);
    },
    async checkPlaceable() {
      const hindrance = placementHindrance(await list());
      if (hindrance) throw unavailable(hindrance.part, hindrance.detail);
    },
    async checkAlive() {
      if (Date.now() - seenMs > seenMaxAgeMs && (await list()).length === 0) {
        throw unavailable(noRunner.part, noRunner.detail);
      }
    },
    async checkPresent(runnerId) {
      const isOld = Date.now() - seenMs > seenMaxAgeMs;
      if ((isOld || startHindrance(seen, runnerId)) && (await list()).length === 0)
        throw unavailable(noRunner.part, noRunner.detail);
      const hindrance = startHindrance(seen, runnerId);
      if (hindrance) throw unavailable(hindrance.part, hindrance.detail);
      if (Date.now() - lookedMs > lookAgainMs) void list().catch(() => undefined);
    },
  };
}

const noRunner = { part: 'sandbox-runner', detail: 'no runner is alive' } as const;

/** What keeps every runner from making a sandbox; undefined when one of them can. */
export function placementHindrance(
  runners: readonly Pick<RunnerDocument, 'unavailable'>[],
): { part: Part; detail: string } | undefined {
  if (runners.length === 0) return noRunner;
  const hindrances = runners.map(({ unavailable }) => unavailable ?? undefined);
  return hindrances.includes(undefined) ? undefined : hindrances[0];
}

/** What keeps this runner from starting a command in a sandbox that is open: only a full disk does. */
export function startHindrance(
  runners: readonly Pick<RunnerDocument, 'id' | 'unavailable'>[],
  runnerId: string | null,
): { part: Part; detail: string } | undefined {
  const lacking = runners.find(({ id }) => id === runnerId)?.unavailable;
  return lacking?.part === 'disk' ? lacking : undefined;
}

/**
 * One snapshot of the bucket: its entries are replaced all the time, and a consumer may pass over one that is being replaced. The
 * runners make the bucket; until the first has come there is none.
 */
async function readAll(jsm: JetStreamManager): Promise<RunnerDocument[]> {
  const documents: RunnerDocument[] = [];
  try {
    const request = { multi_last: [`$KV.${buckets.runners}.*`] };
    for await (const message of await jsm.direct.getLastMessagesFor(`KV_${buckets.runners}`, request)) {
      if (!message.header.has('KV-Operation')) documents.push(message.json<RunnerDocument>());
    }
  } catch (error) {
    if (!(error instanceof JetStreamError)) throw error;
  }
  return documents;
}
