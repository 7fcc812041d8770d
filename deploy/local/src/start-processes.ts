/**
 * Starts the processes of a cluster, each as soon as what it needs is ready; rejects with the first that does not come up.
 * `signal` ends what is not a process of the group: the build of the image.
 */
import type { ClusterPlan } from './cluster-plan.ts';
import type { ProcessGroup } from './process-group.ts';
import { engineSpec, natsSpec, runnerSpec, serviceSpec, temporalSpec } from './process-specs.ts';
import { type Report, step } from './progress.ts';
import { ensureSandboxImage } from './sandbox-image.ts';

export async function startProcesses(
  plan: ClusterPlan,
  group: ProcessGroup,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const ownEngine = engineSpec(plan);
  const engine = ownEngine ? group.start(ownEngine) : Promise.resolve();
  const image = engine.then(() =>
    step(report, 'Prepare the sandbox image', () =>
      ensureSandboxImage({
        dockerSocket: plan.engine.socket,
        cacheDirectory: plan.state.tools,
        env: plan.env,
        note: (title) => report({ kind: 'note', title }),
        signal,
      }),
    ),
  );
  const nats = group.start(natsSpec(plan));
  const temporal = group.start(temporalSpec(plan));
  const traceStore = nats.then(() => group.start(serviceSpec(plan, 'trace-store')));
  const foundation = Promise.all([temporal, traceStore]);
  const orchestrator = foundation.then(() => group.start(serviceSpec(plan, 'orchestrator')));
  const runner = foundation.then(async () => group.start(runnerSpec(plan, (await image).image)));
  const gateway = Promise.all([orchestrator, runner]).then(() => group.start(serviceSpec(plan, 'gateway')));
  await Promise.all([engine, image, nats, temporal, traceStore, foundation, orchestrator, runner, gateway]);
}
