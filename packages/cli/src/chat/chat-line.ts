// What a line of a chat is: a message, or a command of the chat itself.

export const chatCommands = ['help', 'turns', 'diff', 'cancel', 'quit'] as const;
export type ChatCommand = (typeof chatCommands)[number];

export type ChatLine =
  | { kind: 'nothing' }
  | { kind: 'message'; text: string }
  | { kind: 'command'; command: ChatCommand }
  | { kind: 'unknown'; name: string };

/** "//…" is a message that begins with "/". */
export function chatLine(line: string): ChatLine {
  const text = line.trim();
  if (text === '') return { kind: 'nothing' };
  if (text.startsWith('//')) return { kind: 'message', text: text.slice(1) };
  if (!text.startsWith('/')) return { kind: 'message', text };
  const name = text.slice(1).split(/\s/, 1)[0] ?? '';
  const command = chatCommands.find((one) => one === name);
  return command ? { kind: 'command', command } : { kind: 'unknown', name };
}

export const chatHelp = `  /turns   the messages of this session, and how each was answered
  /diff    what the session has changed
  /cancel  stop the turn that goes on (as Ctrl-C does)
  /quit    leave (as Ctrl-D does); a turn that goes on goes on
  //…      a message that begins with "/"`;
