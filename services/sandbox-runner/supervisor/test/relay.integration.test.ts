// The relay as a process of its own: the test is both the runner behind it and the commands before it.

import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ask, connectAsCommand, listenAsHost, readAll, relayPortOf } from './relayed.ts';
import { isRoot, runToEnd, type Supervised, startSupervised } from './supervised.ts';

const port = relayPortOf(0);
let sandbox: Supervised;
let host: Server | undefined;
beforeAll(async () => {
  sandbox = await startSupervised({ relayPort: port });
});
afterAll(() => sandbox.close());
afterEach(() => {
  host?.close();
  host = undefined;
  for (const socket of accepted.splice(0)) socket.destroy();
});

const accepted: Socket[] = [];
async function listen(onConnection: (socket: Socket) => void): Promise<void> {
  host = await listenAsHost(sandbox.runDirectory, (socket) => {
    accepted.push(socket);
    onConnection(socket);
  });
}
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** The supervisor's only child while no command runs. */
function relayPid(): number {
  const { pid } = sandbox.process;
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

it('carries bytes in both directions at once, in order, each direction to its own end', async () => {
  const [up, down] = [randomBytes(3_000_000), randomBytes(5_000_000)];
  const received = new Promise<Buffer>((resolve) => {
    void listen((socket) => {
      socket.write(down.subarray(0, 1_000_000));
      void readAll(socket).then((bytes) => {
        resolve(bytes);
        // The command has ended its direction; the other one goes on.
        socket.end(down.subarray(1_000_000));
      });
    });
  });
  await expect.poll(() => host?.listening).toBe(true);
  const command = await connectAsCommand(port);
  command.end(up);
  expect(sha256(await readAll(command))).toBe(sha256(down));
  expect(sha256(await received)).toBe(sha256(up));
});

it('reads no more of a side than the other takes', async () => {
  await listen((socket) => socket.pause());
  const command = await connectAsCommand(port);
  let written = 0;
  const chunk = Buffer.alloc(65_536);
  for (const deadline = Date.now() + 2_000; Date.now() < deadline && written < 64_000_000; ) {
    if (command.writableLength > 0) await delay(20);
    else if (command.write(chunk)) written += chunk.length;
  }
  expect(written).toBeLessThan(32_000_000);
  expect(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${relayPid()}/status`, 'utf8'))?.[1])).toBeLessThan(16_000);
  command.destroy();
});

it('lets a connection wait for the runner while that is away, and serves it once it is back', async () => {
  const command = await connectAsCommand(port);
  command.end('still there?');
  await delay(1_000);
  await listen((socket) => void readAll(socket).then((bytes) => socket.end(`${bytes.toString()} yes`)));
  expect((await readAll(command)).toString()).toBe('still there? yes');
});

it('answers questions by the runner, and leaves out those that it does not answer', async () => {
  await listen((socket) => {
    socket.once('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      expect(text).toMatch(
        /^POST \/dns-query HTTP\/1.1\r\nHost: worktrail\r\nContent-Type: application\/dns-message\r\nContent-Length: \d+\r\nConnection: close\r\n\r\n/,
      );
      const question = text.split('\r\n\r\n')[1] ?? '';
      socket.end(question === 'no' ? 'HTTP/1.1 403 No\r\n\r\nno' : `HTTP/1.1 200 OK\r\n\r\n${question}!`);
    });
  });
  const refused = expect(ask(port + 2, 'no')).rejects.toThrow();
  expect(await Promise.all(['a', 'b', 'c'].map((question) => ask(port + 2, question)))).toEqual(['a!', 'b!', 'c!']);
  await refused;
});

it('has a bound of connections: those beyond it wait for their turn', async () => {
  const held: Socket[] = [];
  await listen((socket) => void held.push(socket));
  const commands = await Promise.all(Array.from({ length: 300 }, () => connectAsCommand(port)));
  await expect.poll(() => held.length).toBe(256);
  for (const socket of held.splice(0)) socket.end('bye');
  for (const command of commands) command.end();
  await expect.poll(() => held.length).toBe(44);
  for (const socket of held) socket.end('bye');
  await Promise.all(commands.map(readAll));
});

it('hands over what the runner said before it hung up on a command that it has not read', async () => {
  await listen((socket) => {
    socket.pause();
    socket.write('no\n', () => setTimeout(() => socket.destroy(), 100));
  });
  const command = await connectAsCommand(port);
  command.write('much '.repeat(1_000));
  const [said] = (await once(command, 'data')) as [Buffer];
  expect(said.toString()).toBe('no\n');
});

it('resets a connection that meant to go elsewhere where nothing led it here', async () => {
  await listen((socket) => socket.end());
  // Before or after it seems to be made.
  await expect(connectAsCommand(port + 1).then(readAll)).rejects.toThrow();
});

it('is nobody, with no capability, and starts again when it has ended, losing nobody who waits', async () => {
  const status = readFileSync(`/proc/${relayPid()}/status`, 'utf8');
  if (isRoot) expect(status).toMatch(/Uid:\t65534\t65534\t65534\t65534\n/);
  if (isRoot) expect(status).toMatch(/CapPrm:\t0+\nCapEff:\t0+\n/);
  expect(status).toMatch(/NoNewPrivs:\t1\n/);
  await listen((socket) => void readAll(socket).then((bytes) => socket.end(bytes)));
  const before = relayPid();
  const { stdout } = await runToEnd(sandbox, sandbox.bash(`kill -9 ${before} 2>&1; cat /proc/${before}/mem 2>&1`));
  if (isRoot) expect(stdout).toMatch(/not permitted[^]*Permission denied/);
  execFileSync('kill', ['-9', String(before)]);
  const command = await connectAsCommand(port);
  command.end('again');
  expect((await readAll(command)).toString()).toBe('again');
  expect(relayPid()).not.toBe(before);
});
