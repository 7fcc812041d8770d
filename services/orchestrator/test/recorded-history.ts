// A workflow's history as a JSON file, and back: enums by name, bytes as base64, 64-bit integers as text.

import temporalProto from '@temporalio/proto';

const { History } = temporalProto.temporal.api.history.v1;
export type History = temporalProto.temporal.api.history.v1.IHistory;

export function historyToJson(history: History): string {
  const plain = History.toObject(History.fromObject(history), { longs: String, enums: String, bytes: String });
  return `${JSON.stringify(plain, null, 1)}\n`;
}

export function historyFromJson(json: string): History {
  return History.fromObject(JSON.parse(json));
}
