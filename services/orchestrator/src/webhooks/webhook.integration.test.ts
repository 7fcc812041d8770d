import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { workflowTaskQueue } from '@worktrail/contract/session-messages';
import * as contract from '@worktrail/contract/webhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { sampleSession, sampleWebhook } from '../../test/samples.ts';
import { startSession, until } from '../../test/session-client.ts';
import { keepState } from './kept-state.ts';

let servers: Servers;
let nats: NatsConnection;
beforeAll(async () => {
  servers = await startServers();
  nats = await connect({ servers: servers.nats.url });
});
afterAll(async () => {
  await nats.close();
  await servers.stop();
});

// A worker that keeps no workflow in memory replays each task: what is not deterministic shows at once.
describe.each([0, 1_000])('a webhook, with %i workflows in memory', (cachedWorkflowsMax) => {
  let bed: OrchestratorBed;
  beforeAll(async () => {
    bed = await startOrchestratorBed(servers, cachedWorkflowsMax);
  });
  afterAll(() => bed.stop());

  async function attempts(organizationId: string, webhookId: string): Promise<contract.DeliveryRecord[]> {
    const { direct } = await jetstreamManager(nats);
    const asked = { seq: 1, next_by_subj: contract.deliverySubject(organizationId, webhookId), batch: 1_000 };
    const found: contract.DeliveryRecord[] = [];
    try {
      for await (const message of await direct.getBatch(contract.deliveryStream, asked)) found.push(message.json());
    } catch {
      // There is none yet.
    }
    return found;
  }

  it('whose receiver is gone has 32 events under way, and the others wait where they are; deleted, it ends', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    const { organizationId, sessionId } = session.spec;
    const webhook = sampleWebhook(organizationId);
    const key = contract.webhookKey(organizationId, webhook.id);
    await bed.configuration.put(key, JSON.stringify(webhook));
    const [first] = await bed.stored(sessionId);
    bed.matches.push(...Array.from({ length: 50 }, () => ({ organizationId, sessionId, ...first! })));
    const spec: contract.WebhookSpec = { organizationId, webhookId: webhook.id, after: [] };
    const workflowId = contract.webhookWorkflowId(webhook.id);
    const options = { workflowId, taskQueue: workflowTaskQueue, args: [spec] };
    const handle = await bed.client.workflow.start(contract.webhookWorkflow, options);

    const isAgain = ({ attempt }: contract.DeliveryRecord) => attempt === 2;
    const tried = () => attempts(organizationId, webhook.id);
    const log = await until(tried, (all) => all.filter(isAgain).length >= 32);
    expect(log.filter(({ attempt }) => attempt === 1)).toHaveLength(32);
    expect(log[0]).toMatchObject({
      ...{ outcome: 'failed', status: null, last: false, place: { eventId: first!.event.id } },
      detail: '127.0.0.1 has no address that may be reached',
    });
    await bed.configuration.delete(key);
    await handle.executeUpdate<true, []>(contract.webhookChanged);
    await handle.result();
  });

  it('that answers that it will replay an event does so, also where its workflow is lost then', async () => {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    const { organizationId, sessionId, partition } = session.spec;
    const webhook = sampleWebhook(organizationId);
    const key = contract.webhookKey(organizationId, webhook.id);
    await bed.configuration.put(key, JSON.stringify(webhook));
    const spec: contract.WebhookSpec = { organizationId, webhookId: webhook.id, after: [] };
    const workflowId = contract.webhookWorkflowId(webhook.id);
    const begin = (args: [contract.WebhookSpec]) =>
      bed.client.workflow.start(contract.webhookWorkflow, { workflowId, taskQueue: workflowTaskQueue, args });
    const handle = await begin([spec]);
    const stateKey = contract.webhookStateKey(organizationId, webhook.id);
    const kept = async () => (await bed.configuration.get(stateKey))?.json<contract.WebhookSpec>();
    // From now on it waits for events, for up to a minute.
    const before = await until(kept, (state) => state !== undefined);
    const [stored] = await bed.stored(sessionId);
    const { event, sequence } = stored!;
    const place = { sessionId, partition, epoch: 1, sequence, fill: 0, eventId: event.id, type: 'session.created' };
    await handle.executeUpdate<true, [contract.EventPlace]>(contract.replayDelivery, { args: [place] });
    // What is late of before the replay takes nothing of it away.
    await keepState(bed.configuration, before!);
    await handle.terminate('lost');

    const state = (await kept())!;
    expect(state.pending).toMatchObject([{ place: { eventId: event.id }, replay: true }]);
    const earlier = (await attempts(organizationId, webhook.id)).length;
    const again = await begin([state]);
    const log = await until(
      () => attempts(organizationId, webhook.id),
      (all) => all.length > earlier,
    );
    expect(log.at(-1)).toMatchObject({ replay: true, place: { eventId: event.id } });
    await bed.configuration.delete(key);
    await again.executeUpdate<true, []>(contract.webhookChanged);
    await again.result();
  });
});
