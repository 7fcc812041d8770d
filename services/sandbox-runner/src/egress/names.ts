// Names that programs in a sandbox ask for themselves, as DNS messages.
//
// With an open network the host's name servers are asked, message for message. With a restricted one the runner resolves what the project
// allows, and writes the answer itself: nothing that a sandbox wrote goes outside. To everything else the answer is REFUSED at once, so that no
// program waits for it.

import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';

const answerTimeoutMs = 3_000;
const serversMax = 3;
const headBytes = 12;
const refusedCode = 5;
const answersMax = 16;
const answerSeconds = 60;
const labelBytesMax = 63;
const nameBytesMax = 253;

/** The name of a message's only question; undefined for what is no such message. */
export function askedName(message: Buffer): string | undefined {
  if (message.length < headBytes || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let length = 0;
  for (let at = headBytes; at < message.length; ) {
    const size = message[at] as number;
    if (size === 0) return labels.length > 0 && at + 5 <= message.length ? labels.join('.') : undefined;
    length += size + 1;
    if (size > labelBytesMax || length > nameBytesMax || at + 1 + size > message.length) return undefined;
    const label = message.toString('latin1', at + 1, at + 1 + size);
    if (!/^[\w-]+$/.test(label)) return undefined;
    labels.push(label.toLowerCase());
    at += size + 1;
  }
  return undefined;
}

/** The answer to it that there is none: its head and question, with the code REFUSED. */
export function refusedAnswer(message: Buffer): Buffer {
  const answer = Buffer.from(message);
  answer[2] = 0x80 | ((answer[2] as number) & 0x79);
  answer[3] = 0x80 | refusedCode;
  // It has no further sections; those that were asked with are not repeated.
  const end = questionEnd(message);
  answer.fill(0, 6, headBytes);
  return answer.subarray(0, end);
}

/** The answer to it with these IPv4 addresses, where it asks for such; else that there are none of the kind. */
export function addressAnswer(message: Buffer, addresses: readonly string[]): Buffer {
  const end = questionEnd(message);
  const asksForIpv4 = message.readUInt16BE(end - 4) === 1 && message.readUInt16BE(end - 2) === 1;
  const found = asksForIpv4 ? addresses.filter((address) => isIP(address) === 4).slice(0, answersMax) : [];
  const head = Buffer.from(message.subarray(0, end));
  head[2] = 0x80 | ((head[2] as number) & 0x79);
  head[3] = 0x80;
  head.fill(0, 6, headBytes);
  head.writeUInt16BE(found.length, 6);
  const pointer = 0xc000 | headBytes;
  const records = found.map((address) => {
    const record = Buffer.from([0, 0, 0, 1, 0, 1, 0, 0, 0, answerSeconds, 0, 4, ...address.split('.').map(Number)]);
    record.writeUInt16BE(pointer, 0);
    return record;
  });
  return Buffer.concat([head, ...records]);
}

function questionEnd(message: Buffer): number {
  let at = headBytes;
  while (at < message.length && message[at] !== 0) at += (message[at] as number) + 1;
  return Math.min(message.length, at + 5);
}

/** Asks the servers one after the other. undefined: none answered. */
export async function askServers(servers: readonly string[], message: Buffer): Promise<Buffer | undefined> {
  for (const server of servers.slice(0, serversMax)) {
    const answer = await askServer(server, message).catch(() => undefined);
    if (answer) return answer;
  }
  return undefined;
}

/** `server`: an address, with a port or without. */
function askServer(server: string, message: Buffer): Promise<Buffer> {
  const { address, port } = parseServer(server);
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    let isOver = false;
    const end = (done: () => void) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      socket.close();
      done();
    };
    const timer = setTimeout(() => end(() => reject(new Error('no answer in time'))), answerTimeoutMs);
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('message', (answer) => {
      if (answer.length >= headBytes && answer.readUInt16BE(0) === message.readUInt16BE(0)) end(() => resolve(answer));
    });
    socket.connect(port, address, () => socket.send(message));
  });
}

export function parseServer(server: string): { address: string; port: number } {
  if (isIP(server)) return { address: server, port: 53 };
  const [, v6, v4, port] = /^(?:\[(.+)\]|([\d.]+)):(\d+)$/.exec(server) ?? [];
  return { address: v6 ?? v4 ?? '', port: Number(port) };
}
