import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { WorktrailEvent } from '@worktrail/client';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { answer, eventStream, type ReceivedRequest, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const commandPath = '/v1/sessions/ses_1/commands/cmd_1';

function event(index: number, type: string, data: Record<string, unknown> = {}, commandId = 'cmd_1'): WorktrailEvent {
  const actor = { kind: 'system' as const, id: 'test' };
  return {
    cursor: `c${index}`,
    id: `evt_${index}`,
    sessionId: 'ses_1',
    commandId,
    type,
    time: '',
    actor,
    data,
  } as WorktrailEvent;
}

interface Written {
  stream: 'stdout' | 'stderr';
  bytes: Buffer;
}

/** The history of one command that wrote this. */
function history(written: readonly Written[], end: Record<string, unknown>): WorktrailEvent[] {
  const offsets = { stdout: 0, stderr: 0 };
  const output = written.map(({ stream, bytes }) => {
    const data = { stream, offset: offsets[stream], bytes: bytes.toString('base64') };
    offsets[stream] += bytes.length;
    return data;
  });
  const all = [
    ['command.queued', {}] as const,
    ['command.started', {}] as const,
    ...output.map((data) => ['command.output', data] as const),
    ['command.ended', { ...end, stdoutBytes: offsets.stdout, stderrBytes: offsets.stderr }] as const,
  ];
  return all.map(([type, data], index) => event(index, type, data));
}

type Events = (request: ReceivedRequest, response: ServerResponse) => void;

async function setUp(events: Events, more?: (request: ReceivedRequest, response: ServerResponse) => boolean) {
  const api = await startTestApi((request, response) => {
    const { method, path } = request;
    if (more?.(request, response)) return true;
    if (method === 'GET' && path === '/v1/sessions/ses_1')
      return answer(response, 200, { id: 'ses_1', lastCursor: 'before' });
    if (method === 'POST' && path === '/v1/sessions/ses_1/commands')
      return answer(response, 202, { id: 'cmd_1', state: 'queued' });
    if (path === '/v1/sessions/ses_1/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      events(request, response);
      return true;
    }
    return false;
  });
  servers.push(api);
  const env = { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' };
  const start = (...args: string[]) => startCli(args, env, { stdinIsTerminal: true });
  return { api, env, start };
}

const whole =
  (events: readonly WorktrailEvent[]): Events =>
  (request, response) =>
    void response.write(eventStream(events, request));

function sent(api: TestApi, path: string): ReceivedRequest[] {
  return api.requests.filter((request) => request.method === 'POST' && request.path === path);
}

describe('run', () => {
  test('writes stdout and stderr byte for byte, wherever the connection is cut', async () => {
    const chunk = fc.record({ stream: fc.constantFrom('stdout' as const, 'stderr' as const), size: fc.nat(900) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(chunk, { maxLength: 8 }),
        fc.array(fc.nat(6_000), { maxLength: 3 }),
        async (chunks, cuts) => {
          const written = chunks.map(({ stream, size }) => ({ stream, bytes: randomBytes(size) }));
          const events = history(written, { outcome: 'exited', exitCode: 7 });
          let connections = 0;
          const { start } = await setUp((request, response) => {
            const frames = eventStream(events, request);
            const cut = cuts[connections++];
            if (cut === undefined || cut >= frames.length) return void response.write(frames);
            response.write(frames.subarray(0, cut), () => response.destroy());
          });
          const cli = start('run', 'ses_1', '--', 'make');
          expect(await cli.exitCode).toBe(7);
          const of = (stream: string) =>
            Buffer.concat(written.filter((part) => part.stream === stream).map(({ bytes }) => bytes));
          expect(cli.stdout().equals(of('stdout'))).toBe(true);
          expect(Buffer.from(cli.stderr()).toString()).toBe(of('stderr').toString());
        },
      ),
      { numRuns: 15 },
    );
  });

  test("says that the connection is lost on a terminal only: anywhere else stderr is the command's", async () => {
    const written = [{ stream: 'stderr' as const, bytes: Buffer.from('warning\n') }];
    const events = history(written, { outcome: 'exited', exitCode: 0 });
    for (const stderrIsTerminal of [true, false]) {
      let connections = 0;
      const { env } = await setUp((request, response) => {
        if (++connections > 3) return void response.write(eventStream(events, request));
        response.write(': \n\n', () => response.destroy());
      });
      const cli = startCli(['run', 'ses_1', '--', 'make'], env, { stdinIsTerminal: true, stderrIsTerminal });
      expect(await cli.exitCode).toBe(0);
      const notice = stderrIsTerminal ? 'worktrail: connection lost, trying again\n' : '';
      expect(cli.stderr()).toBe(`${notice}warning\n`);
    }
  });

  test('reads what the events skipped from the stored output', async () => {
    const events = [
      event(0, 'command.started'),
      event(1, 'command.output', { stream: 'stdout', offset: 4, bytes: Buffer.from('EFGH').toString('base64') }),
      event(2, 'command.ended', { outcome: 'exited', exitCode: 0, stdoutBytes: 10, stderrBytes: 0 }),
    ];
    const stored = Buffer.from('abcdefghij');
    const { start } = await setUp(whole(events), ({ path, url }, response) => {
      if (path !== `${commandPath}/output`) return false;
      const offset = Number(url.searchParams.get('offset'));
      const bytes = stored.subarray(offset, offset + Number(url.searchParams.get('limit')));
      response.setHeader('x-next-offset', offset + bytes.length).end(bytes);
      return true;
    });
    const cli = start('run', 'ses_1', '--', 'x');
    expect(await cli.exitCode).toBe(0);
    expect(cli.stdout().toString()).toBe('abcdEFGHij');
  });

  test("sends the command line, its options and an empty input, and ignores other commands' events", async () => {
    const other = event(0, 'command.ended', { outcome: 'exited', exitCode: 9 }, 'cmd_other');
    const own = history([], { outcome: 'exited', exitCode: 0 }).map((known, index) => ({
      ...known,
      cursor: `c${index + 1}`,
    }));
    const { api, start } = await setUp(whole([other, ...own]));
    const cli = start(
      'run',
      'ses_1',
      '--timeout',
      '9',
      '--cwd',
      'docs',
      '--env',
      'A=b=c',
      '--',
      'grep',
      '-r',
      'two words',
    );
    expect(await cli.exitCode).toBe(0);
    const [request] = sent(api, '/v1/sessions/ses_1/commands');
    const expected = { command: "grep -r 'two words'", cwd: 'docs', env: { A: 'b=c' }, timeoutSeconds: 9, stdin: '' };
    expect(JSON.parse(request!.body.toString())).toEqual(expected);
    const follow = api.requests.find(({ path }) => path.endsWith('/events'));
    expect(follow!.headers['last-event-id']).toBe('before');
  });

  test('says how a command ended that did not exit', async () => {
    const { start } = await setUp(whole(history([], { outcome: 'timed_out', signal: 'SIGTERM', reason: 'after 9 s' })));
    const cli = start('run', 'ses_1', '--', 'sleep', '99');
    expect(await cli.exitCode).toBe(124);
    expect(cli.stderr()).toContain('the command ended: timed_out (SIGTERM, after 9 s)');
  });

  test('passes piped input on, byte for byte, and ends it', async () => {
    const input = randomBytes(1_300_000);
    const received: Buffer[] = [];
    const events = history([], { outcome: 'exited', exitCode: 0 });
    let follower: ServerResponse | undefined;
    const { api, env } = await setUp(
      (request, response) => {
        follower = response;
        response.write(eventStream(events.slice(0, 2), request));
      },
      ({ path, body, url }, response) => {
        if (path !== `${commandPath}/stdin`) return false;
        received.push(body);
        response.writeHead(204).end();
        if (url.searchParams.get('close')) follower!.write(`id: c2\ndata: ${JSON.stringify(events[2])}\n\n`);
        return true;
      },
    );
    const cli = startCli(['run', 'ses_1', '--', 'cat'], env);
    cli.stdin.end(input);
    expect(await cli.exitCode).toBe(0);
    expect(Buffer.concat(received).equals(input)).toBe(true);
    expect(sent(api, '/v1/sessions/ses_1/commands')[0]!.body.toString()).not.toContain('stdin');
  });

  test('interrupts, then cancels, then leaves on Ctrl-C', async () => {
    const events = history([{ stream: 'stdout', bytes: Buffer.from('working') }], { outcome: 'exited', exitCode: 0 });
    const steps: string[] = [];
    const { start } = await setUp(
      (request, response) => void response.write(eventStream(events.slice(0, 3), request)),
      ({ method, path, body }, response) => {
        if (method !== 'POST' || !path.startsWith(`${commandPath}/`)) return false;
        steps.push(path.slice(commandPath.length + 1) + body.toString());
        answer(response, 202, {});
        cli.raise('SIGINT');
        return true;
      },
    );
    const cli = start('run', 'ses_1', '--', 'sleep 99');
    await cli.printed('working');
    cli.raise('SIGINT');
    expect(await cli.exitCode).toBe(119);
    expect(steps).toEqual(['signal{"signal":"INT"}', 'cancel']);
    expect(cli.stderr()).toContain('worktrail logs ses_1 -f --command cmd_1');
  });

  test('leaves the command alone on TERM', async () => {
    const events = history([{ stream: 'stdout', bytes: Buffer.from('working') }], { outcome: 'exited', exitCode: 0 });
    const { api, start } = await setUp((request, response) => {
      response.write(eventStream(events.slice(0, 3), request));
    });
    const cli = start('run', 'ses_1', '--', 'sleep 99');
    await cli.printed('working');
    cli.raise('SIGTERM');
    expect(await cli.exitCode).toBe(119);
    expect(api.requests.some(({ path }) => path.endsWith('/cancel'))).toBe(false);
  });

  test('exits as SIGPIPE would, and cancels the command, when the reader of stdout has gone', async () => {
    const events = history([{ stream: 'stdout', bytes: Buffer.from('working') }], { outcome: 'exited', exitCode: 0 });
    const { api, env } = await setUp(
      (request, response) => void response.write(eventStream(events.slice(0, 3), request)),
      ({ path }, response) => path === `${commandPath}/cancel` && answer(response, 202, {}),
    );
    const cli = startCli(['run', 'ses_1', '-n', '--', 'yes'], env, { stdoutIsClosed: true });
    expect(await cli.exitCode).toBe(141);
    expect(sent(api, `${commandPath}/cancel`)).toHaveLength(1);
  });

  test('prints the id and returns with --background', async () => {
    const { start } = await setUp(() => undefined);
    const cli = start('run', 'ses_1', '--background', '--', 'sleep', '99');
    expect(await cli.exitCode).toBe(0);
    expect(cli.stdout().toString()).toBe('cmd_1\n');
  });

  test('prints events as JSON lines with --json, wherever the option stands', async () => {
    const events = history([{ stream: 'stdout', bytes: Buffer.from('hi') }], { outcome: 'exited', exitCode: 3 });
    const { start } = await setUp(whole(events));
    for (const args of [
      ['--json', 'run', 'ses_1', '--', 'x'],
      ['run', 'ses_1', '--json', '--', 'x'],
    ]) {
      const cli = start(...args);
      expect(await cli.exitCode).toBe(3);
      const lines = cli.stdout().toString().trimEnd().split('\n');
      expect(lines.map((line) => JSON.parse(line))).toEqual(events);
    }
  });

  test('exits 125 when Worktrail itself refuses', async () => {
    const { start } = await setUp(() => undefined);
    const cli = start('run', 'ses_unknown', '--', 'true');
    expect(await cli.exitCode).toBe(125);
    expect(cli.stderr()).toContain('(not_found)');
  });
});
