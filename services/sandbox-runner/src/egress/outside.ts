// For integration tests: somewhere outside of this host. A network namespace of its own with an address of the public internet, by a cable
// that ends here; and a name server that knows it.

import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { askedName } from './names.ts';

const run = promisify(execFile);

export interface Outside {
  /** Of the machine outside; it answers on `port` what it is asked in a line, behind "outside ". */
  address: string;
  port: number;
  /** This host's own end of the cable: an address of the public internet as well. */
  hostAddress: string;
  /** Knows that outside.example is there. */
  nameServer: string;
  close(): Promise<void>;
}

const server = `
const server = require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', (data) => socket.end('outside ' + data.toString().split('\\r')[0].split('\\n')[0] + '\\n'));
});
server.listen(0, '0.0.0.0', () => console.log(server.address().port));
`;

export async function openOutside(): Promise<Outside> {
  const block = process.pid % 16_000;
  const at = (last: number) => `11.${64 + (block >> 8)}.${block & 255}.${last}`;
  const cable = `wto${process.pid}`;
  const machine = spawn('unshare', ['--net', process.execPath, '-e', server], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(createInterface(machine.stdout), 'line')) as [string];
  const inside = ['--net', '-t', String(machine.pid), 'ip'];
  await run('ip', ['link', 'add', cable, 'type', 'veth', 'peer', 'name', 'far', 'netns', String(machine.pid)]);
  await run('ip', ['address', 'add', `${at(1)}/30`, 'dev', cable]);
  await run('ip', ['link', 'set', cable, 'up']);
  await run('nsenter', [...inside, 'address', 'add', `${at(2)}/30`, 'dev', 'far']);
  await run('nsenter', [...inside, 'link', 'set', 'far', 'up']);
  const names = createSocket('udp4');
  names.on('message', (question, from) => names.send(nameAnswer(question, at(2)), from.port, from.address));
  await new Promise<void>((resolve) => names.bind(0, '127.0.0.1', resolve));
  return {
    address: at(2),
    port: Number(port),
    hostAddress: at(1),
    nameServer: `127.0.0.1:${(names.address() as AddressInfo).port}`,
    async close() {
      names.close();
      const ended = once(machine, 'exit');
      machine.kill('SIGKILL');
      await ended;
    },
  };
}

function nameAnswer(question: Buffer, address: string): Buffer {
  const name = askedName(question) ?? '';
  const end = 12 + name.length + 2 + 4;
  const isAddress = question.readUInt16BE(end - 4) === 1;
  const known = name === 'outside.example';
  const head = Buffer.from(question.subarray(0, 12));
  head.writeUInt16BE(known ? 0x81_80 : 0x81_83, 2);
  head.writeUInt16BE(known && isAddress ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([head, question.subarray(12, end), ...(known && isAddress ? [record] : [])]);
}
