// Requests from gateways that act on a running command (input, signals, and the fast way to cancel), and from the trace-store, which
// asks for a command's output again where the stream has lost it.
//
// Answered once the supervisor has been told. Each request is checked here as well: what reaches a supervisor is well-formed.

import { constants } from 'node:os';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { ErrorCode } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import { limits } from '@worktrail/contract/limits';
import { runnerControlSubject } from '@worktrail/contract/subjects';
import { ActorKind } from '@worktrail/proto/event';
import {
  ControlReplySchema,
  type ControlRequest,
  ControlRequestSchema,
  type JournalRangeSchema,
  type ReadJournal,
} from '@worktrail/proto/runner';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import { millisecondsOf, outputPayload, queuedPayload } from './command-events.ts';
import { createJournalRanges, type JournalRanges } from './journal-ranges.ts';
import type { LiveCommand, LiveCommands } from './live-commands.ts';
import type { SessionDirectories } from '../sessions/session-directory.ts';
import { SupervisorError } from '../supervision/supervisor-control.ts';
import type { SupervisorLink } from '../supervision/supervisor-link.ts';

const graceSecondsMax = 3_600;
/** A command that is just being started is waited for so long. */
const startingMsMax = 1_500;

export interface ControlRequestDeps {
  nats: NatsConnection;
  runnerId: string;
  commands: LiveCommands;
  directories: SessionDirectories;
  log: Logger;
}

interface Refusal {
  code: ErrorCode;
  detail: string;
}

const ended: Refusal = { code: 'command_ended', detail: 'the command has ended' };

const inputClosed: Refusal = { code: 'conflict', detail: "the command's input was closed" };

type JournalRangeInit = MessageInitShape<typeof JournalRangeSchema>;

/** Commands whose input was closed by a request: what comes later would reach nobody. */
type Closed = WeakSet<LiveCommand>;

export function startControlRequests(deps: ControlRequestDeps, lifetime: Lifetime): void {
  const closed: Closed = new WeakSet();
  const journals = createJournalRanges(deps.directories);
  lifetime.onClose('journals', () => journals.close());
  const subscription = deps.nats.subscribe(runnerControlSubject(deps.runnerId), {
    callback: (error, message) => {
      if (error) deps.log.error({ err: error }, 'the subscription to control requests failed');
      else void answer({ ...deps, closed, journals }, message);
    },
  });
  lifetime.onClose('control requests', () => subscription.unsubscribe());
}

type Answering = ControlRequestDeps & { closed: Closed; journals: JournalRanges };

async function answer(deps: Answering, message: Msg): Promise<void> {
  const result = await handle(deps, message.data).catch((error: unknown): Refusal => {
    deps.log.error({ err: error }, 'a control request failed');
    return { code: 'internal', detail: 'the request could not be carried out' };
  });
  const reply = create(ControlReplySchema, replyOf(result));
  message.respond(toBinary(ControlReplySchema, reply));
}

type Result = Refusal | JournalRangeInit | undefined;

function replyOf(result: Result): MessageInitShape<typeof ControlReplySchema> {
  if (!result) return {};
  return 'code' in result ? { errorCode: result.code, errorDetail: result.detail } : { journalRange: result };
}

async function handle(deps: Answering, bytes: Uint8Array): Promise<Result> {
  const request = decode(bytes);
  if (!request || !isId(request.sessionId, 'session') || !isId(request.commandId, 'command')) {
    return { code: 'malformed_request', detail: 'the control request cannot be read' };
  }
  const live = deps.commands.find(request.commandId);
  const isTheirs = live?.input.sessionId === request.sessionId && live.input.organizationId === request.organizationId;
  if (!live || !isTheirs) return notLive(deps.directories, request);
  if (request.operation.case === 'readJournal') return await readJournal(deps.journals, live, request.operation.value);
  if (live.ended()) return ended;
  try {
    return await carryOut(live, deps.closed, request);
  } catch (error) {
    if (!(error instanceof SupervisorError)) throw error;
    if (!error.retryable) return { code: 'validation_failed', detail: error.message };
    return { code: 'dependency_unavailable', detail: 'the sandbox does not answer' };
  }
}

/** Also of a command that has just ended: its journal is removed after that. */
async function readJournal(
  journals: JournalRanges,
  live: LiveCommand,
  { fromPosition, toPosition, bytesMax }: ReadJournal,
): Promise<Result> {
  if (fromPosition > toPosition || toPosition > BigInt(limits.outputOffsetMax)) {
    return { code: 'validation_failed', detail: 'there is no such range' };
  }
  const range = await journals.read(live, { from: Number(fromPosition), to: Number(toPosition), bytesMax });
  if (!range) return { code: 'command_not_running', detail: 'the command has no journal' };
  const { command } = live.input;
  const queued = queuedPayload(command);
  const { pieces, timeNs, startedNs } = range;
  return {
    output: pieces.map(outputPayload).flatMap((payload) => (payload.case === 'commandOutput' ? [payload.value] : [])),
    ...(queued.case === 'commandQueued' && { queued: queued.value }),
    queuedBy: { kind: actorKinds[command.actor.kind], id: command.actor.id },
    queuedAt: timestampFromMs(Date.parse(command.queuedAt)),
    ...(timeNs !== undefined && { time: timestampFromMs(millisecondsOf(timeNs)) }),
    ...(startedNs !== undefined && { startedAt: timestampFromMs(millisecondsOf(startedNs)) }),
  };
}

const actorKinds = { user: ActorKind.USER, agent: ActorKind.AGENT, system: ActorKind.SYSTEM } as const;

function decode(bytes: Uint8Array): ControlRequest | undefined {
  try {
    return fromBinary(ControlRequestSchema, bytes);
  } catch {
    return undefined;
  }
}

function notLive(directories: SessionDirectories, { sessionId, commandId }: ControlRequest): Refusal {
  if (directories.at(sessionId).readResult(commandId)) return ended;
  return { code: 'command_not_running', detail: 'the command is not running on this runner' };
}

async function carryOut(live: LiveCommand, closed: Closed, request: ControlRequest): Promise<Refusal | undefined> {
  const { operation, commandId } = request;
  if (operation.case === 'cancelCommand') {
    const { graceSeconds, reason } = operation.value;
    live.cancel({ graceMs: Math.min(graceSeconds, graceSecondsMax) * 1000, reason: reason || 'canceled' });
    return undefined;
  }
  const link = (await live.sandbox(startingMsMax))?.link;
  if (!link) return { code: 'command_not_running', detail: 'the command is not running yet' };
  switch (operation.case) {
    case 'writeStdin':
      return writeStdin(link, live, closed, operation.value);
    case 'sendSignal':
      return sendSignal(link, commandId, operation.value.signal);
    default:
      return { code: 'malformed_request', detail: 'the control request names no operation' };
  }
}

async function writeStdin(
  link: SupervisorLink,
  live: LiveCommand,
  closed: Closed,
  { bytes, close }: { bytes: Uint8Array; close: boolean },
): Promise<Refusal | undefined> {
  if (bytes.length > limits.stdinChunkBytesMax) {
    return {
      code: 'body_too_large',
      detail: `at most ${limits.stdinChunkBytesMax} bytes of input fit into one request`,
    };
  }
  if (live.input.command.stdin !== null)
    return { code: 'conflict', detail: "the command's input was closed when it started" };
  if (closed.has(live)) return bytes.length > 0 ? inputClosed : undefined;
  await link.writeStdin(live.input.command.id, bytes, { close });
  if (close) closed.add(live);
  return undefined;
}

async function sendSignal(link: SupervisorLink, commandId: string, signal: string): Promise<Refusal | undefined> {
  const name = signal.startsWith('SIG') ? signal : `SIG${signal}`;
  if (!(name in constants.signals))
    return { code: 'validation_failed', detail: `there is no signal "${signal.slice(0, 32)}"` };
  await link.signal(commandId, name);
  return undefined;
}
