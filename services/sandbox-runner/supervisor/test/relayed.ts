// For tests of the relay: the host's end of it, and commands' connections, made by the test itself.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

/** Three ports that no other test file of this process takes, nor any server of a test or cluster. */
export function relayPortOf(which: number): number {
  return 8_000 + (process.pid % 300) * 6 + which * 3;
}

export async function listenAsHost(runDirectory: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  const path = join(runDirectory, 'egress', 'socket');
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o666);
  return server;
}

export async function connectAsCommand(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Until the other side has ended. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What comes back for a datagram to the port of questions. */
export async function ask(port: number, question: string): Promise<string> {
  const socket = createSocket('udp4');
  socket.send(question, port, '127.0.0.1');
  const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })) as [Buffer];
  socket.close();
  return answer.toString();
}

/** Some of everything, to whom nothing is to be said afterwards. */
export async function exerciseRelay(runDirectory: string, port: number): Promise<void> {
  const waiting = await connectAsCommand(port);
  waiting.end(Buffer.alloc(300_000, 5));
  const host = await listenAsHost(runDirectory, (socket) => {
    socket.once('data', (first: Buffer) => {
      if (!first.toString('latin1').startsWith('POST /dns-query')) return void socket.end(first);
      const question = first.toString('latin1').split('\r\n\r\n')[1] ?? '';
      if (question === 'long') return void socket.end(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(40_000)}`);
      return void socket.end(`HTTP/1.1 200 OK\r\nA: b\r\n\r\nanswer to ${question}`);
    });
  });
  await readAll(waiting);
  const answer = await ask(port + 2, 'why');
  if (answer !== 'answer to why') throw new Error(`the relay answered ${answer}`);
  const unanswered = createSocket('udp4');
  for (const question of ['long', 'x'.repeat(1_600), '']) unanswered.send(question, port + 2, '127.0.0.1');
  // Nothing led it there: it is reset, before or after it seems to be made.
  await connectAsCommand(port + 1)
    .then(readAll)
    .catch(() => undefined);
  const many = await Promise.all(Array.from({ length: 300 }, () => connectAsCommand(port)));
  for (const [index, socket] of many.entries()) {
    if (index % 3 === 0) socket.resetAndDestroy();
    else socket.end(`hello ${index}`);
  }
  await Promise.all(many.filter((_, index) => index % 3 > 0).map(readAll));
  unanswered.close();
  host.close();
}
