// Temporal names and messages of the trial workflow. Trial and session workflows talk by signals only.

import type { CommandResult } from './commands.ts';
import type { TrialBudget } from './documents.ts';
import type { SessionSpec } from './session-messages.ts';
import type { TurnOutcome, TurnSpec, TurnUsage } from './turns.ts';

export const trialWorkflow = 'trial';

export function trialWorkflowId(trialId: string): string {
  return `trial:${trialId}`;
}

export interface TrialAttempt {
  /** The session to start; its id is chosen with the trial. */
  session: SessionSpec;
  /** What it is compared by with the attempts of other trials; absent: its agent, or that it runs commands. */
  strategy?: string;
  commands: string[];
  /** What its agent is told when these have run; absent: there is none to ask. */
  message?: TurnSpec;
}

export interface TrialSpec {
  organizationId: string;
  projectId: string;
  taskId: string;
  trialId: string;
  name: string;
  attempts: TrialAttempt[];
  /** Empty: passed means that all commands exited 0, and that the turn was completed. */
  verify: string[];
  maxParallel: number;
  /** Once an attempt has passed, the others end without a verdict. */
  stopWhen?: 'passed';
  budget?: TrialBudget;
  createdAt: string;
  createdBy: SessionSpec['createdBy'];
}

/** Update → TrialDocument: stops what runs, ends the trial as canceled. */
export const cancelTrial = 'cancelTrial';

/** Query → TrialDocument. */
export const describeTrial = 'describeTrial';

/** Signal from a session. */
export const sessionReported = 'sessionReported';
export interface SessionReported {
  sessionId: string;
  state: 'ready' | 'failed' | 'archived';
  failure: { code: string; detail: string } | null;
}

/** Signal from a session: a command of the trial has ended. May come twice. */
export const commandReported = 'commandReported';
export interface CommandReported {
  sessionId: string;
  commandId: string;
  result: CommandResult;
}

/** Signal from a session: a turn of the trial has ended or, where the trial wants to know that, taken a step. May come twice. */
export const turnReported = 'turnReported';
export interface TurnReported {
  sessionId: string;
  turnId: string;
  /** So far. */
  usage: TurnUsage;
  /** null: it goes on. */
  end: { outcome: TurnOutcome; reason: string } | null;
}
