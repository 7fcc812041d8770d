// A workflow's history as a JSON file, and back: enums by name, bytes as base64, 64-bit integers as text.

import { join } from 'node:path';
import temporalProto from '@temporalio/proto';

const { History } = temporalProto.temporal.api.history.v1;
export type History = temporalProto.temporal.api.history.v1.IHistory;

/** Of the machine it was recorded on nothing stays: stack traces name files from the repository on. */
export function historyToJson(history: History): string {
  const root = join(import.meta.dirname, '../../..');
  const plain = History.toObject(History.fromObject(history), { longs: String, enums: String, bytes: String });
  return `${JSON.stringify(plain, null, 1)}\n`.replaceAll(`${root}/`, '');
}

export function historyFromJson(json: string): History {
  return History.fromObject(JSON.parse(json));
}
