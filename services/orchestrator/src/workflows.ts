// What the workflow bundle exports: a workflow's name on the wire is its function's name here.

export { proposal } from './proposal/workflow.ts';
export { reconcile } from './reconcile/workflow.ts';
export { scan } from './scan/workflow.ts';
export { session } from './session/workflow.ts';
export { trial } from './trial/workflow.ts';
export { webhook } from './webhooks/workflow.ts';
