/**
 * Whether a Temporal server answers for a namespace: one gRPC call of `DescribeNamespace`, written out so that the supervisor needs
 * no gRPC client.
 */
import { connect } from 'node:http2';

const PROBE_TIMEOUT_MS = 2_000;
const METHOD = '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace';

export function isTemporalReady(host: string, port: number, namespace: string): Promise<boolean> {
  return new Promise((resolve) => {
    const session = connect(`http://${host}:${port}`);
    session.setTimeout(PROBE_TIMEOUT_MS, () => session.destroy());
    session.on('error', () => resolve(false));
    session.on('close', () => resolve(false));
    const headers = { ':method': 'POST', ':path': METHOD, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = session.request(headers);
    const settle = (status: unknown) => {
      if (status === undefined) return;
      resolve(Number(status) === 0);
      session.close();
    };
    stream.on('response', (received) => settle(received['grpc-status']));
    stream.on('trailers', (received) => settle(received['grpc-status']));
    stream.on('error', () => resolve(false));
    stream.resume();
    stream.end(describeNamespaceRequest(namespace));
  });
}

/** A gRPC frame (no compression, length) around a message whose field 1 is the namespace. */
export function describeNamespaceRequest(namespace: string): Buffer {
  const name = Buffer.from(namespace, 'utf8');
  if (name.length > 127) throw new Error(`The namespace ${namespace} is longer than 127 bytes.`);
  const message = Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}
