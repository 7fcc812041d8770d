// What follows from a line that an agent printed: decided by a protocol, done by who drives it.

import type { PermissionAsked, PermissionDecided } from '@worktrail/contract/agent-turns';
import type { TokenUsage, TurnOutcome } from '@worktrail/contract/turns';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';

/** `path`: as the agent gives it. */
export type ServedRequest =
  | { what: 'read'; path: string; firstLine: number; lines: number | null }
  | { what: 'write'; path: string; content: string };

export interface TerminalCommand {
  command: string;
  args: string[];
  env: Record<string, string>;
  /** As the agent gives it. */
  cwd: string | null;
  /** Of the end of its output; null: as much as there may be. */
  outputBytes: number | null;
}

/** `terminal`: counted from 1, in the order in which they were asked for. */
export type TerminalRequest =
  | { what: 'open'; terminal: number; command: TerminalCommand; asked: PermissionAsked }
  | { what: 'read' | 'wait' | 'kill' | 'release'; terminal: number };

export interface TerminalEnd {
  failed: boolean;
  output: string;
  cut: boolean;
  /** Why there is no exit code. */
  error?: string;
  exitCode?: number;
}

export type Decision = PermissionDecided['decision'];

/**
 * `key`: what has been sent with it once is not sent again. `whole`: it is all that the agent is ever given; what of it is there already
 * is not written again.
 */
export type AgentEffect =
  | { do: 'send'; key: string; bytes: string; whole?: true }
  | { do: 'tell'; payload: EventPayloadInit }
  | { do: 'serve'; key: string; request: ServedRequest; answer(output: object): string; refuse(detail: string): string }
  | {
      do: 'terminal';
      key: string;
      request: TerminalRequest;
      answer(output: object): string;
      refuse(detail: string): string;
    }
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
  /** A terminal is over, which does not follow from what the agent prints. */
  terminalEnded(terminal: number, end: TerminalEnd): AgentEffect[];
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
