import { runService } from '@worktrail/runtime/main';
import { orchestratorConfig } from './config.ts';
import { startOrchestrator } from './orchestrator.ts';

await runService('orchestrator', (environment, lifetime, log) =>
  startOrchestrator(orchestratorConfig(environment), lifetime, log),
);
