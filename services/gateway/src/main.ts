import { runService } from '@worktrail/runtime/main';
import { gatewayConfig } from './config.ts';
import { startGateway } from './gateway.ts';

await runService('gateway', (environment, lifetime, log) => startGateway(gatewayConfig(environment), lifetime, log));
