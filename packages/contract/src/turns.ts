// Turns: a message to the agent of a session and all that follows until it yields. Names and messages of the session workflow, plain
// JSON.

import type { AgentSpec } from './agents.ts';
import type { ActorRef } from './commands.ts';

export interface TurnSpec {
  id: string;
  text: string;
  agent: AgentSpec;
  actor: ActorRef;
  queuedAt: string;
}

export type TurnOutcome = 'completed' | 'canceled' | 'failed' | 'limit_reached';

export interface TokenUsage {
  inputTokens: number;
  outputTokens: number;
  /** Of the input tokens. */
  cachedInputTokens: number;
  /** 0 where the model has no price. */
  costUsd: number;
}

export interface TurnUsage extends TokenUsage {
  steps: number;
}

/** Update → TurnAccepted. Its update id is the turn's id. Refused with `queued_messages_exceeded`. */
export const sendMessage = 'sendMessage';
export interface TurnAccepted {
  state: 'queued' | 'running';
}

/** Update → TurnCanceled. */
export const cancelTurn = 'cancelTurn';
export interface CancelTurnRequest {
  turnId: string;
  /** For people. */
  reason: string;
}

export interface TurnCanceled {
  /** False: it is not live any more. */
  accepted: boolean;
  /** Of its commands those that are being stopped: their runner hears of it by itself, a while later. */
  commands: string[];
}

/** Of one session, beside the one that runs. */
export const queuedTurnsMax = 16;
/** As UTF-8. With the rest of its event below the payload limit of NATS. */
export const messageBytesMax = 64 * 1024;

/** Each call of the model is a producer of its own, and each use of a tool another. */
export function modelStepProducer(turnId: string, step: number): string {
  return `${turnId}-${step}`;
}
export function toolCallId(turnId: string, step: number, index: number): string {
  return `${turnId}-${step}-${index}`;
}
