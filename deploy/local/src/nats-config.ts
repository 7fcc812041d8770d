/** The configuration of the embedded nats-server: loopback, one user, JetStream on disk, every acknowledged message synced. */
export interface NatsConfigInput {
  host: string;
  port: number;
  user: string;
  password: string;
  storeDirectory: string;
  serverName: string;
}

export function natsConfig(input: NatsConfigInput): string {
  const quote = (text: string) => JSON.stringify(text);
  return [
    `server_name: ${quote(input.serverName)}`,
    `host: ${quote(input.host)}`,
    `port: ${input.port}`,
    'max_payload: 1MB',
    'authorization {',
    `  user: ${quote(input.user)}`,
    `  password: ${quote(input.password)}`,
    '}',
    'jetstream {',
    `  store_dir: ${quote(input.storeDirectory)}`,
    '  sync_interval: always',
    '}',
    '',
  ].join('\n');
}
