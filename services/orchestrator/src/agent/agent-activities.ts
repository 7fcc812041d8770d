// The activities of the built-in agent. They are on the queue of the workflows: what a workflow asks for there is begun by the very process
// that decided it, without a way through the server.

import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import type { CommandToTell, ModelStepInput, ModelStepResult } from './model-step-messages.ts';

export interface ConcludeCommandInput extends CommandToTell {
  ref: SandboxRef;
  turnId: string;
}

export interface AgentActivities {
  /** One call of the model. Fails for good with type `model_refused`, and with `model_unavailable` in a way that may pass. */
  modelStep(input: ModelStepInput): Promise<ModelStepResult>;
  /** Writes down what the model is told of a command that it wanted, where no step follows that does. */
  concludeCommand(input: ConcludeCommandInput): Promise<void>;
}
