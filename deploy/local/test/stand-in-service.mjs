// Stands in for a service in the supervisor's own tests: ready at once, answers what the supervisor asks of services, and writes
// to its log what it was asked and how it ended. STAND_IN_BROKEN names a service that ends at once.
import { createServer } from 'node:http';

const { WORKTRAIL_HOST, WORKTRAIL_PORT, WORKTRAIL_INTERNAL_TOKEN, WORKTRAIL_OPERATOR_TOKEN, STAND_IN_BROKEN } =
  process.env;

if (STAND_IN_BROKEN && process.argv[1].includes(STAND_IN_BROKEN)) {
  console.error('a stand-in that was told to break');
  process.exit(3);
}

const answers = {
  'GET /readyz': () => [200, {}],
  'POST /stop-cluster': (token) => (token === WORKTRAIL_INTERNAL_TOKEN ? [200, {}] : [401, {}]),
  'POST /v1/organizations': (token) =>
    token === WORKTRAIL_OPERATOR_TOKEN
      ? [
          201,
          { organization: { id: 'org_1' }, principal: { id: 'prn_1' }, key: { id: 'key_1', secret: 'wt_1_secret' } },
        ]
      : [401, {}],
  'POST /v1/projects': (token) => (token === 'wt_1_secret' ? [201, { id: 'prj_1' }] : [401, {}]),
};

const server = createServer((request, response) => {
  const answer = answers[`${request.method} ${request.url}`] ?? (() => [404, {}]);
  const [status, body] = answer(request.headers.authorization?.replace('Bearer ', ''));
  if (request.method === 'POST') console.log(`${request.method} ${request.url} ${status} at ${Date.now()}`);
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});
server.listen(Number(WORKTRAIL_PORT), WORKTRAIL_HOST);
process.on('SIGTERM', () => {
  console.log(`SIGTERM at ${Date.now()}`);
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
