import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, followEvents, outputOf, type PublicEvent, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const key = inject('apiKey');
const api = createApi(inject('apiUrl'), key);
let projectId: string;

beforeAll(async () => {
  const repository = await makeRepository(join(inject('repositoryRoot'), 'follow'), 5);
  projectId = (await api.make('/v1/projects', { name: 'follow', repository: { url: repository.path } })).id;
});

const newSession = async () =>
  (await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Followed' })).id as string;

test('a feed cut and resumed ten times during 50,000 lines yields every event once, byte for byte', async () => {
  const sessionId = await newSession();
  const command = await api.make(`/v1/sessions/${sessionId}/commands`, {
    command: 'seq -f "line %.0f of the output" 50000 | tee all.txt; sha256sum < all.txt >&2',
    stdin: '',
  });
  const events: PublicEvent[] = [];
  for (let cut = 0; ; cut++) {
    const controller = new AbortController();
    const lastEventId = events.at(-1)?.cursor;
    let finished = false;
    try {
      for await (const event of followEvents(api, key, sessionId, {
        ...(lastEventId && { lastEventId }),
        signal: controller.signal,
      })) {
        events.push(event);
        finished = event.type === 'command.ended' && event.commandId === command.id;
        if (finished) break;
        if (cut < 10 && events.length % 2 === 0) break;
      }
    } finally {
      controller.abort();
    }
    if (finished) {
      expect(cut).toBeGreaterThanOrEqual(10);
      break;
    }
  }
  expect(new Set(events.map((event) => event.id)).size).toBe(events.length);
  const stdout = outputOf(events, command.id, 'stdout');
  const sum = outputOf(events, command.id, 'stderr').toString().slice(0, 64);
  expect(createHash('sha256').update(stdout).digest('hex')).toBe(sum);
  expect(stdout.toString().split('\n')).toHaveLength(50_001);

  const history = await readHistory(api, sessionId, 50);
  const upTo = history.findIndex((event) => event.cursor === events.at(-1)!.cursor) + 1;
  expect(history.slice(0, upTo)).toEqual(events);
});

test('a feed opened in the middle by cursor continues the history without gap or repetition', async () => {
  const sessionId = await newSession();
  const path = `/v1/sessions/${sessionId}/commands?waitSeconds=280`;
  await api.make(path, { command: 'echo one', stdin: '' });
  const before = await readHistory(api, sessionId);
  const seen: PublicEvent[] = [];
  const following = (async () => {
    for await (const event of followEvents(api, key, sessionId, { after: before.at(-1)!.cursor })) {
      seen.push(event);
      if (event.type === 'command.ended') return;
    }
  })();
  await api.make(path, { command: 'echo two', stdin: '' });
  await following;
  const whole = await readHistory(api, sessionId);
  expect([...before, ...seen]).toEqual(whole.slice(0, before.length + seen.length));
});

test('a long poll waits for the next event and answers with it', async () => {
  const sessionId = await newSession();
  const { nextCursor } = (await api.get(`/v1/sessions/${sessionId}/events?limit=200`)).body;
  const page = async () => {
    const { items, complete } = (
      await api.get(`/v1/sessions/${sessionId}/events?after=${nextCursor}&types=command.ended`)
    ).body;
    expect(items).toEqual([]);
    return complete;
  };
  await expect.poll(page).toBe(true);
  const polling = api.get(`/v1/sessions/${sessionId}/events?after=${nextCursor}&types=command.ended&waitSeconds=280`);
  const command = await api.make(`/v1/sessions/${sessionId}/commands`, { command: 'true', stdin: '' });
  const { items } = (await polling).body;
  expect(items.map((event: PublicEvent) => [event.type, event.commandId])).toEqual([['command.ended', command.id]]);
});

test('a cursor that was never given is refused', async () => {
  const sessionId = await newSession();
  for (const cursor of ['nonsense', '1-2-3', '%00']) {
    const answer = await api.get(`/v1/sessions/${sessionId}/events?after=${cursor}`);
    expect([answer.status, answer.body.code]).toEqual([400, 'cursor_invalid']);
  }
});
