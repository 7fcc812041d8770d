// What an agent says and does, as events of its turn.
//
// 1. A text is told as it comes, and whole once something else begins; a tool is told when it begins and when it has ended.
// 2. Ids are ours, in the order of what came; what the agent calls things is only shown. All of it is bounded; what was begun is ended all
//    the same.

import { toolCallId, modelStepProducer } from '@worktrail/contract/turns';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { type AgentEffect, AgentMisbehaved, type TerminalEnd } from './agent-effects.ts';

const messageBytesMax = 256 * 1024;
const inputShownMax = 8 * 1024;
const outputShownMax = 32 * 1024;
const nameShownMax = 300;
const toolsMax = 10_000;
const eventsMax = 50_000;
const planItemsMax = 50;
const planTextMax = 500;

export interface ToolTold {
  name?: string | undefined;
  input?: unknown;
  /** Of its output so far; takes the place of an earlier one. */
  output?: string | undefined;
  state?: 'pending' | 'running' | 'completed' | 'failed' | undefined;
}

export interface AgentTelling {
  /** `part`: where it changes, another message begins. */
  say(kind: 'text' | 'reasoning', text: string, part?: string): AgentEffect[];
  /** `theirId`: the agent's own. */
  tool(theirId: string, told: ToolTold): AgentEffect[];
  /** Ours, of a tool that was told of. */
  toolId(theirId: string): string;
  /** A tool of ours: begun; its id. */
  terminal(terminal: number, input: object): { id: string; effects: AgentEffect[] };
  terminalEnded(terminal: number, end: TerminalEnd): AgentEffect[];
  plan(items: readonly { text: string; state: string }[]): AgentEffect[];
  /** `tools`: those that were begun and have no end are over, the agent's own or all. */
  close(tools: 'none' | 'own' | 'all'): AgentEffect[];
  /** Tools that were begun. */
  steps(): number;
}

interface Tool {
  id: string;
  name: string;
  input: unknown;
  output: string;
  stage: 'new' | 'begun' | 'ended';
  isTerminal: boolean;
}

const processNumber = 1;
export const endedBefore = 'the turn was ended before';
const ownKey = (theirId: string) => `own ${theirId}`;
const terminalKey = (terminal: number) => `terminal ${terminal}`;

export function createAgentTelling(turnId: string): AgentTelling {
  const tools = new Map<string, Tool>();
  let message: { kind: 'text' | 'reasoning'; id: string; part: string; text: string; bytes: number } | undefined;
  let messages = 0;
  let begun = 0;
  let told = 0;

  function tell(payload: EventPayloadInit): AgentEffect {
    told += 1;
    return { do: 'tell', payload };
  }

  /** Before anything is changed by it. */
  function expectMore(): void {
    if (told >= eventsMax) throw new AgentMisbehaved(`the agent has told over ${eventsMax} things in one turn`);
  }

  function endMessage(finish: 'stop' | 'tool_calls'): AgentEffect[] {
    if (!message) return [];
    const { kind, id: messageId, text } = message;
    message = undefined;
    const value = { messageId, text, attempt: 1 };
    if (kind === 'reasoning') return [tell({ case: 'reasoning', value })];
    return [tell({ case: 'messageAgent', value: { ...value, finish } })];
  }

  function begin(tool: Tool): AgentEffect[] {
    if (tool.stage !== 'new') return [];
    tool.stage = 'begun';
    begun += 1;
    const inputJson = (JSON.stringify(tool.input ?? {}) ?? '{}').slice(0, inputShownMax);
    return [
      ...endMessage('tool_calls'),
      tell({ case: 'toolStarted', value: { toolCallId: tool.id, tool: tool.name.slice(0, nameShownMax), inputJson } }),
    ];
  }

  function find(key: string, isTerminal: boolean): Tool {
    const known = tools.get(key);
    if (known) return known;
    if (tools.size >= toolsMax) throw new AgentMisbehaved(`the agent has used over ${toolsMax} tools in one turn`);
    const id = toolCallId(turnId, processNumber, tools.size);
    const tool: Tool = { id, name: '', input: null, output: '', stage: 'new', isTerminal };
    tools.set(key, tool);
    return tool;
  }

  /** `more`: shown before its output. */
  function end(tool: Tool, failed: boolean, more: { error?: string; exitCode?: number } = {}, cut = false) {
    if (tool.stage === 'ended') return [];
    const before = begin(tool);
    tool.stage = 'ended';
    // Of a terminal the end says most, as it does where it is cut before.
    const from = tool.isTerminal ? Math.max(0, tool.output.length - outputShownMax) : 0;
    const output = tool.output.slice(from, from + outputShownMax).toWellFormed();
    const shown = { ...more, output, ...((cut || output.length < tool.output.length) && { cut: true }) };
    tool.output = '';
    tool.input = null;
    return [
      ...before,
      tell({ case: 'toolEnded', value: { toolCallId: tool.id, failed, outputJson: JSON.stringify(shown) } }),
    ];
  }

  return {
    say(kind, text, part = '') {
      if (text === '') return [];
      expectMore();
      const isOther = message !== undefined && (message.kind !== kind || message.part !== part);
      const bytes = (isOther ? 0 : (message?.bytes ?? 0)) + Buffer.byteLength(text);
      if (bytes > messageBytesMax) {
        throw new AgentMisbehaved(`a message of the agent is over ${messageBytesMax} bytes`);
      }
      const effects = isOther ? endMessage('stop') : [];
      if (!message) {
        messages += 1;
        const id = `${modelStepProducer(turnId, processNumber)}-m${messages}`;
        message = { kind, id, part, text: '', bytes: 0 };
      }
      message.bytes = bytes;
      message.text += text;
      const value = { messageId: message.id, text, attempt: 1 };
      return [...effects, tell({ case: kind === 'text' ? 'messageAgentDelta' : 'reasoningDelta', value })];
    },

    tool(theirId, { name, input, output, state }) {
      expectMore();
      const tool = find(ownKey(theirId), false);
      if (tool.stage === 'ended') return [];
      tool.name = name || tool.name || 'tool';
      tool.input = input ?? tool.input;
      tool.output = output ?? tool.output;
      if (state === 'running') return begin(tool);
      return state === 'completed' || state === 'failed' ? end(tool, state === 'failed') : [];
    },

    toolId: (theirId) => tools.get(ownKey(theirId))?.id ?? '',

    terminal(terminal, input) {
      expectMore();
      const tool = find(terminalKey(terminal), true);
      tool.name = 'terminal';
      tool.input = input;
      return { id: tool.id, effects: begin(tool) };
    },

    terminalEnded(terminal, { failed, output, cut, ...more }) {
      const tool = find(terminalKey(terminal), true);
      if (tool.stage === 'ended') return [];
      tool.output = output;
      return end(tool, failed, more, cut);
    },

    plan: (items) => {
      expectMore();
      const shown = items.slice(0, planItemsMax);
      return [
        tell({
          case: 'planUpdated',
          value: { items: shown.map(({ text, state }) => ({ text: text.slice(0, planTextMax), state })) },
        }),
      ];
    },

    close(which) {
      const open = [...tools.values()].filter(
        ({ stage, isTerminal }) => stage === 'begun' && (which === 'all' || (which === 'own' && !isTerminal)),
      );
      return [...endMessage('stop'), ...open.flatMap((tool) => end(tool, true, { error: endedBefore }))];
    },

    steps: () => begun,
  };
}
