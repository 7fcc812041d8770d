// A command's output events onto stdout and stderr: every byte once, in order, holes filled from the stored output.

import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';
import type { Screen } from '../screen/screen.ts';
import { writeAll } from '../screen/screen.ts';
import { missingAtEnd, startPosition, type StreamName, takeOutput } from './output-position.ts';

const rangeBytesMax = 1024 * 1024;

export interface OutputWriter {
  /** Writes what is stored by now, stdout before stderr. */
  writeStored(): Promise<void>;
  write(event: WorktrailEvent): Promise<void>;
  /** Writes what the end says there is and has not come. */
  finish(ended: WorktrailEvent): Promise<void>;
}

export function createOutputWriter(
  client: WorktrailClient,
  screen: Screen,
  sessionId: string,
  commandId: string,
): OutputWriter {
  let position = startPosition;
  const target = { stdout: screen.stdout, stderr: screen.stderr };

  async function fill(stream: StreamName, from: number, to: number): Promise<void> {
    let offset = from;
    while (offset < to) {
      const limit = Math.min(rangeBytesMax, to - offset);
      const range = await client.commands.output(sessionId, commandId, { stream, offset, limit });
      await writeAll(target[stream], range.bytes);
      const advanced = Math.min(to, Math.max(range.nextOffset, offset));
      const lost = advanced - offset - range.bytes.length;
      if (lost > 0) noteLost(stream, offset, lost);
      if (advanced === offset) {
        screen.note(`worktrail: bytes ${offset} to ${to} of ${stream} could not be read`);
        return;
      }
      offset = advanced;
    }
  }

  async function writeStored(stream: StreamName): Promise<void> {
    const { commands } = client;
    for await (const range of commands.outputRanges(sessionId, commandId, { stream, limit: rangeBytesMax })) {
      await writeAll(target[stream], range.bytes);
      const lost = range.nextOffset - position[stream] - range.bytes.length;
      if (lost > 0) noteLost(stream, position[stream], lost);
      position = { ...position, [stream]: range.nextOffset };
    }
  }

  const noteLost = (stream: StreamName, from: number, bytes: number) =>
    screen.note(`worktrail: ${bytes} bytes of ${stream} from ${from} on were not kept`);

  return {
    async writeStored() {
      await writeStored('stdout');
      await writeStored('stderr');
    },
    async write(event) {
      const chunk = outputChunk(event);
      const taken = takeOutput(position, chunk);
      if (taken.missing) await fill(chunk.stream, taken.missing.from, taken.missing.to);
      if (taken.fresh.length > 0) await writeAll(target[chunk.stream], taken.fresh);
      position = taken.position;
    },
    async finish(ended) {
      for (const stream of ['stdout', 'stderr'] as const) {
        const total = Number(ended.data[`${stream}Bytes`] ?? 0);
        const missing = missingAtEnd(position, stream, total);
        if (missing) await fill(stream, missing.from, missing.to);
      }
    },
  };
}

export function outputChunk(event: WorktrailEvent) {
  const { stream, offset, bytes } = event.data;
  return {
    stream: stream === 'stderr' ? ('stderr' as const) : ('stdout' as const),
    offset: Number(offset),
    bytes: new Uint8Array(Buffer.from(String(bytes), 'base64')),
  };
}
