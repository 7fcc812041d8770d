// The lines that an agent prints, from its journal; what it prints beside them is kept for people, as far as its end goes.

import type { EndFrame, JournalFrame } from '../supervision/journal-format.ts';
import { AgentMisbehaved } from './agent-effects.ts';

/** A file that is written, with what JSON adds. */
const lineBytesMax = 4 * 1024 * 1024;
const complaintBytesMax = 2_000;

export type AgentPrinted =
  /** `end`: where in its output the line ends. */
  { what: 'line'; text: string; end: number } | { what: 'other' } | { what: 'end'; frame: EndFrame };

export interface AgentLines {
  /** @throws AgentMisbehaved for a line that is too long. */
  take(frame: JournalFrame): AgentPrinted[];
  /** The end of what it has printed beside the protocol. */
  complaint(): string;
}

export function createAgentLines(): AgentLines {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  let complaint = Buffer.alloc(0);

  function linesOf({ bytes, offset }: Extract<JournalFrame, { type: 'output' }>): AgentPrinted[] {
    const lines: AgentPrinted[] = [];
    let from = 0;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, from)) {
      const text = Buffer.concat([...rest, bytes.subarray(from, at)]).toString('utf8');
      lines.push({ what: 'line', text, end: offset + at + 1 });
      rest = [];
      restBytes = 0;
      from = at + 1;
    }
    restBytes += bytes.length - from;
    if (restBytes > lineBytesMax) throw new AgentMisbehaved(`a line of the agent is over ${lineBytesMax} bytes`);
    // What is read next takes the place of these bytes.
    if (from < bytes.length) rest.push(Uint8Array.from(bytes.subarray(from)));
    return lines.length > 0 ? lines : [{ what: 'other' }];
  }

  return {
    take(frame) {
      if (frame.type === 'end') return [{ what: 'end', frame }];
      if (frame.type !== 'output') return [];
      if (frame.stream === 'stdout') return linesOf(frame);
      complaint = Buffer.concat([complaint, frame.bytes]).subarray(-complaintBytesMax);
      return [{ what: 'other' }];
    },
    complaint: () => complaint.toString('utf8'),
  };
}
