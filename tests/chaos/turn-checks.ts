// What has to be true of a turn in its session's history, and at the model, whatever died meanwhile: pure.
//
// 1. Its message, its begin and its end are there once, and the end is what was expected.
// 2. Each step has one `message.agent`, with the text that the model gave; the deltas of its attempt are that text, those of another
//    attempt a beginning of it.
// 3. Each use of a tool begins once and ends once, in order, before anything of the next step, and so does the command of one that runs a command.
// 4. The model is asked for a step only while the history does not have it, and told everything that was before.

import type { WorktrailEvent } from '@worktrail/client';
import type { Violation } from './checks.ts';
import type { Asked } from '@worktrail/testing/scripted-model';
import type { TurnScript } from './turn-workload.ts';

export interface SeenTurn {
  turnId: string;
  script: TurnScript;
  /** Of the turn, in the order of the history. */
  events: readonly WorktrailEvent[];
  /** What the model was asked with the turn's message. */
  asked: readonly Asked[];
  /** A sandbox was lost: a tool may have failed. */
  mayFail: boolean;
}

export function checkTurn(turn: SeenTurn): Violation[] {
  return [...checkLife(turn), ...checkSteps(turn), ...checkTools(turn), ...checkAsked(turn)].map(
    ({ kind, what }): Violation => ({ kind, what: `turn ${turn.turnId} (${turn.script.text}): ${what}` }),
  );
}

function ofType({ events }: SeenTurn, type: string): WorktrailEvent[] {
  return events.filter((event) => event.type === type);
}

function counted(what: string, times: number, expected: number): Violation[] {
  if (times === expected) return [];
  return [{ kind: times > expected ? 'duplicate' : 'lost', what: `${times} × ${what}, not ${expected}` }];
}

function checkLife(turn: SeenTurn): Violation[] {
  const steps = turn.script.answers.length;
  const found = ['message.user', 'turn.started', 'turn.ended'].flatMap((type) =>
    counted(type, ofType(turn, type).length, 1),
  );
  const end = ofType(turn, 'turn.ended')[0]?.data as { outcome?: string; reason?: string } | undefined;
  if (end && end.outcome !== 'completed') {
    found.push({ kind: 'outcome', what: `it ended ${end.outcome}: ${end.reason ?? ''}` });
  }
  const billed = ofType(turn, 'usage').length;
  return [...found, ...counted('usage', billed, steps)];
}

function checkSteps(turn: SeenTurn): Violation[] {
  const { script, turnId } = turn;
  const messages = ofType(turn, 'message.agent');
  const found = counted('message.agent', messages.length, script.answers.length);
  for (const [index, { text }] of script.answers.entries()) {
    const id = `${turnId}-${index + 1}`;
    const own = messages.filter(({ data }) => data['messageId'] === id);
    found.push(...counted(`message.agent of step ${index + 1}`, own.length, 1));
    if (own.length === 0) continue;
    const { text: said, attempt } = own[0]!.data as { text: string; attempt: number };
    if (said !== text) found.push({ kind: 'differs', what: `step ${index + 1} says ${JSON.stringify(said)}` });
    const deltas = deltasOf(turn, id);
    if (text !== '' && !deltas.has(attempt)) found.push({ kind: 'lost', what: `step ${index + 1} has no deltas` });
    for (const [of, delta] of deltas) {
      const isWhole = of === attempt ? delta === text : text.startsWith(delta);
      if (!isWhole)
        found.push({
          kind: 'differs',
          what: `the deltas of attempt ${of} of step ${index + 1}: ${delta.slice(0, 80)}`,
        });
      if (of > attempt) found.push({ kind: 'duplicate', what: `attempt ${of} of step ${index + 1} after its message` });
    }
  }
  return found;
}

/** By attempt, put together. */
function deltasOf(turn: SeenTurn, messageId: string): Map<number, string> {
  const texts = new Map<number, string>();
  for (const { data } of ofType(turn, 'message.agent_delta')) {
    const { messageId: id, attempt, text } = data as { messageId: string; attempt: number; text: string };
    if (id === messageId) texts.set(attempt, (texts.get(attempt) ?? '') + text);
  }
  return texts;
}

function checkTools(turn: SeenTurn): Violation[] {
  const { script, turnId, mayFail } = turn;
  const found: Violation[] = [];
  const order: string[] = [];
  let commands = 0;
  for (const [step, { calls }] of script.answers.entries()) {
    for (const [index, { tool }] of calls.entries()) {
      const id = `${turnId}-${step + 1}-${index}`;
      order.push(`tool.started ${id}`, `tool.ended ${id}`);
      if (tool === 'run_command') commands += 1;
      const end = ofType(turn, 'tool.ended').find(({ data }) => data['toolCallId'] === id);
      if (end?.data['failed'] === true && !mayFail)
        found.push({ kind: 'outcome', what: `${tool} ${id} failed: ${String(end.data['outputJson']).slice(0, 200)}` });
    }
  }
  const seen = turn.events
    .filter(({ type }) => type === 'tool.started' || type === 'tool.ended')
    .map(({ type, data }) => `${type} ${String(data['toolCallId'])}`);
  if (seen.join() !== order.join()) {
    const repeated = seen.filter((one, at) => seen.indexOf(one) !== at);
    const missing = order.filter((one) => !seen.includes(one));
    const what = `tools out of order, repeated [${repeated.join()}], missing [${missing.join()}]`;
    found.push({ kind: repeated.length > 0 ? 'duplicate' : missing.length > 0 ? 'lost' : 'differs', what });
  }
  for (const [index] of script.answers.entries()) {
    const said = turn.events.findIndex(({ data }) => data['messageId'] === `${turnId}-${index + 1}`);
    const early = turn.events.slice(0, said === -1 ? 0 : said).filter(({ type }) => type === 'tool.ended').length;
    const before = script.answers.slice(0, index).reduce((sum, { calls }) => sum + calls.length, 0);
    if (said !== -1 && early < before)
      found.push({ kind: 'differs', what: `step ${index + 1} is told before the end of a tool of a step before it` });
  }
  return [...found, ...counted('command.ended', ofType(turn, 'command.ended').length, commands)];
}

function checkAsked(turn: SeenTurn): Violation[] {
  const { script, asked, turnId } = turn;
  const found: Violation[] = [];
  for (const [index] of script.answers.entries()) {
    const step = index + 1;
    const own = asked.filter((one) => one.step === step);
    if (own.length === 0) found.push({ kind: 'lost', what: `the model was not asked for step ${step}` });
    const stored = ofType(turn, 'message.agent').find(({ data }) => data['messageId'] === `${turnId}-${step}`);
    const late = own.filter(({ atMs }) => stored && atMs > Date.parse(stored.time));
    if (late.length > 0)
      found.push({ kind: 'duplicate', what: `the model was asked for step ${step} after its answer` });
    const results = script.answers.slice(0, index).reduce((sum, { calls }) => sum + calls.length, 0);
    for (const one of own) {
      const cutOff = one.results.filter((result) => result.includes('it was cut off'));
      if (one.results.length !== results || (cutOff.length > 0 && !turn.mayFail))
        found.push({
          kind: 'lost',
          what: `step ${step} is told ${one.results.length} results, ${cutOff.length} cut off`,
        });
    }
  }
  const beyond = asked.filter(({ step }) => step > script.answers.length);
  if (beyond.length > 0) found.push({ kind: 'duplicate', what: `the model was asked for step ${beyond[0]!.step}` });
  return found;
}
