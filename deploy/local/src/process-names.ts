/** The processes of a cluster, in the order in which they start; they stop in reverse. */
export const PROCESS_NAMES = [
  'dockerd',
  'nats',
  'temporal',
  'trace-store',
  'orchestrator',
  'sandbox-runner',
  'gateway',
] as const;

export type ProcessName = (typeof PROCESS_NAMES)[number];

export const SERVICE_NAMES = ['trace-store', 'orchestrator', 'sandbox-runner', 'gateway'] as const;

export type ServiceName = (typeof SERVICE_NAMES)[number];
