import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { candidatePorts, holdPorts, type Ports } from './ports.ts';

const HOST = '127.0.0.1';

function listen(): Promise<{ port: number; close: () => Promise<void> }> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, HOST, () => {
      const { port } = server.address() as { port: number };
      resolve({ port, close: () => new Promise((done) => server.close(() => done())) });
    });
  });
}

async function freePorts(): Promise<Ports> {
  const servers = await Promise.all(Array.from({ length: 6 }, listen));
  await Promise.all(servers.map(({ close }) => close()));
  const [gateway = 0, traceStore = 0, orchestrator = 0, runner = 0, nats = 0, temporal = 0] = servers.map(
    (s) => s.port,
  );
  return { gateway, 'trace-store': traceStore, orchestrator, 'sandbox-runner': runner, nats, temporal };
}

test('the default comes first and the attempts are bounded', () => {
  const candidates = [...candidatePorts(7460, () => 20_000)];
  expect(candidates[0]).toBe(7460);
  expect(candidates).toHaveLength(200);
});

test('free defaults are taken, and a taken one is replaced', async () => {
  const defaults = await freePorts();
  const occupied = await listen();
  const held = await holdPorts(HOST, { ...defaults, nats: occupied.port });
  const { nats, ...others } = held.ports;
  const { nats: _, ...expected } = defaults;
  expect(others).toEqual(expected);
  expect(nats).not.toBe(occupied.port);
  await held.release();
  await occupied.close();
});

test('two that choose in the same moment get different ports, and released ones are free again', async () => {
  const defaults = await freePorts();
  const [a, b] = await Promise.all([holdPorts(HOST, defaults), holdPorts(HOST, defaults)]);
  expect(new Set([...Object.values(a.ports), ...Object.values(b.ports)]).size).toBe(12);
  await Promise.all([a.release(), b.release()]);
  const again = await holdPorts(HOST, defaults);
  expect(again.ports).toEqual(defaults);
  await again.release();
});

test('a port that was asked for is that one, or told to be taken; nothing else is held then', async () => {
  const defaults = await freePorts();
  const [asked] = Object.values(await freePorts());
  const held = await holdPorts(HOST, defaults, { gateway: asked! });
  expect(held.ports).toEqual({ ...defaults, gateway: asked });
  await held.release();
  const occupied = await listen();
  await expect(holdPorts(HOST, defaults, { temporal: occupied.port })).rejects.toThrow(
    `Port ${occupied.port} is taken`,
  );
  const again = await holdPorts(HOST, defaults);
  expect(again.ports).toEqual(defaults);
  await again.release();
  await occupied.close();
});
