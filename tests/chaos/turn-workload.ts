// What the agent of a round is scripted to do in a turn, from the turn's message alone: each tool leaves something that shows how often
// it was used.

import type { Answer } from '@worktrail/testing/scripted-model';

export interface TurnScript {
  /** The message; unique. */
  text: string;
  /** By step. */
  answers: Answer[];
  /** By path, when the turn has ended and nothing was lost. */
  files: Record<string, string>;
}

export interface TurnScriptOptions {
  /** The first command waits until this file is there; it has printed "begun" then. */
  gate?: string;
}

const prefix = 'scripted turn ';

/** @param name of letters, digits and dashes; unique in the session. */
export function turnScript(name: string, { gate }: TurnScriptOptions = {}): TurnScript {
  const log = `turns/${name}.log`;
  const text = `turns/${name}.txt`;
  const wait = gate === undefined ? '' : `until [ -e ${gate} ]; do sleep 0.1; done; `;
  const append = (line: string) => ({
    tool: 'run_command',
    input: { command: `echo begun; mkdir -p turns; ${wait}echo ${line} >> ${log}` },
  });
  const patch = `--- a/${text}\n+++ b/${text}\n@@ -2,2 +2,3 @@\n edited\n+patched\n end\n`;
  const said = (what: string) => `${what} `.repeat(30).trim();
  const answers: Answer[] = [
    { reasoning: `I begin ${name}.`, text: said('I begin.'), calls: [append('one')] },
    {
      text: said('I write.'),
      calls: [
        { tool: 'write_file', input: { path: text, content: 'begin\nend\n' } },
        { tool: 'read_file', input: { path: text } },
      ],
    },
    {
      text: said('I edit.'),
      // What it leaves could be edited once more.
      calls: [
        { tool: 'edit_file', input: { path: text, find: 'end\n', replace: 'edited\nend\n' } },
        { tool: 'update_plan', input: { items: [{ text: name, state: 'active' }] } },
      ],
    },
    { text: said('I patch.'), calls: [{ tool: 'apply_patch', input: { patch } }, append('two'), append('three')] },
    { text: said(`I have done ${name}.`), calls: [] },
  ];
  const files = { [log]: 'one\ntwo\nthree\n', [text]: 'begin\nedited\npatched\nend\n' };
  return { text: `${prefix}${name}${gate === undefined ? '' : ` ${gate}`}`, answers, files };
}

/** Whether it is the message of a scripted turn. */
export function isScripted(text: string): boolean {
  return text.startsWith(prefix);
}

/** As the model knows it: from the message. */
export function scriptOf(message: string): TurnScript {
  const [name, gate] = message.slice(prefix.length).split(' ');
  return turnScript(name!, gate === undefined ? {} : { gate });
}

export function answerOf({ text, step }: { text: string; step: number }): Answer {
  return scriptOf(text).answers[step - 1] ?? { text: 'There is nothing left to do.', calls: [] };
}
