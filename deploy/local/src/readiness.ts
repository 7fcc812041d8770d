/**
 * Ready checks over the endpoints that clients use: one probe each, true or false, bounded in time, never an exception.
 */
import { request } from 'node:http';
import { connect } from 'node:net';

const PROBE_TIMEOUT_MS = 2_000;

/** 200 on `GET /readyz`. */
export function isHttpReady(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ host, port, path: '/readyz', agent: false, timeout: PROBE_TIMEOUT_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.on('close', () => resolve(false));
    call.end();
  });
}

/** The greeting of a NATS server that has JetStream. */
export function isNatsReady(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS });
    let greeting = '';
    socket.on('data', (bytes) => {
      greeting += bytes.toString('latin1');
      if (!greeting.includes('\r\n')) return;
      resolve(greeting.startsWith('INFO ') && greeting.includes('"jetstream":true'));
      socket.destroy();
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}
