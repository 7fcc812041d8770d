// What follows from a line that an agent printed: decided by a protocol, done by who drives it.

import type { PermissionAsked, PermissionDecided } from '@worktrail/contract/agent-turns';
import type { TokenUsage, TurnOutcome } from '@worktrail/contract/turns';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';

/** `path`: as the agent gives it. */
export type ServedRequest =
  | { what: 'read'; path: string; firstLine: number; lines: number | null }
  | { what: 'write'; path: string; content: string };

export type Decision = PermissionDecided['decision'];

/**
 * `key`: what has been sent with it once is not sent again. `whole`: it is all that the agent is ever given; what of it is there already
 * is not written again.
 */
export type AgentEffect =
  | { do: 'send'; key: string; bytes: string; whole?: true }
  | { do: 'tell'; payload: EventPayloadInit }
  | { do: 'serve'; key: string; request: ServedRequest; answer(output: object): string; refuse(detail: string): string }
  | { do: 'ask'; key: string; asked: PermissionAsked; answer(decision: Decision | 'canceled'): string }
  | { do: 'end'; outcome: TurnOutcome; reason: string };

/** One message to an agent, as a fold over the lines that it prints: the same lines give the same effects. */
export interface AgentProtocol {
  begin(): AgentEffect[];
  /** @throws AgentMisbehaved */
  accept(line: string): AgentEffect[];
  /** Asks it to stop. */
  cancel(): AgentEffect[];
  /** What it left open is over. */
  close(): AgentEffect[];
  /** Of what gives it the message. */
  readonly messageKey: string;
  /** It has been given the message. */
  hasBegun(): boolean;
  steps(): number;
  usage(): TokenUsage;
  /** Its own name of the conversation; null: it has none. */
  conversationId(): string | null;
  /** Keys of what is in an input that was given to it before. */
  sentKeys(input: string): string[];
}

/** What an agent did that ends its turn. */
export class AgentMisbehaved extends Error {
  override readonly name = 'AgentMisbehaved';
}
