import { runService } from '@worktrail/runtime/main';
import { readConfig } from './config.ts';
import { reachHostsAsGit } from './host/host-network.ts';
import { startSandboxRunner } from './sandbox-runner.ts';

// What is mounted into sandboxes must be readable by their user.
process.umask(0o022);
reachHostsAsGit(process.env);
await runService('sandbox-runner', (environment, lifetime, log) =>
  startSandboxRunner(readConfig(environment), lifetime, log),
);
