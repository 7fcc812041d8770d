// When a session continues as a new run, by what its history has grown to.
//
// Due: the server suggests it (4,096 events or 4 MiB), or enough updates were taken. A moment in which no command runs is preferred.
// Overdue: it is not waited for any longer. The server ends a workflow at 51,200 events, 50 MiB or 2,000 updates.

export interface HistoryGrowth {
  events: number;
  bytes: number;
  updates: number;
  /** By the server. */
  continueAsNewSuggested: boolean;
}

const eventsMax = 8_192;
const bytesMax = 16 * 1024 * 1024;

export function historyState(growth: HistoryGrowth, updatesMax: number): 'short' | 'due' | 'overdue' {
  if (growth.events >= eventsMax || growth.bytes >= bytesMax || growth.updates >= updatesMax * 1.2) return 'overdue';
  return growth.continueAsNewSuggested || growth.updates >= updatesMax ? 'due' : 'short';
}
