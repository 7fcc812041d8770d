// Where the real servers of the tests are. `npm test` prepares them and names them in the environment.

const names = [
  'WORKTRAIL_NATS_SERVER_BIN',
  'WORKTRAIL_TEMPORAL_BIN',
  'WORKTRAIL_DOCKER_SOCKET',
  'WORKTRAIL_SANDBOX_IMAGE',
  'WORKTRAIL_SUPERVISOR',
] as const;

export type ToolVariable = (typeof names)[number];

/** @throws when the test was not started by `npm test` (or `node tests/run.mjs <file>`). */
export function toolPath(name: ToolVariable): string {
  const value = process.env[name];
  if (!value)
    throw new Error(`${name} is not set: run the tests with \`npm test\`, which prepares the servers they need`);
  return value;
}
