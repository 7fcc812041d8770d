// How a runner's announcement stands for its life. The runner renews it, the orchestrator watches it, the gateway reads it.

/** An announcement that is not renewed vanishes so long after its last renewal. */
export const runnerAnnouncementTtlMs = 20_000;
export const runnerAnnouncementRenewMs = 3_000;
