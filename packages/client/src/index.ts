export { type ClientOptions, createClient, type WorktrailClient } from './client.ts';
export { type FieldError, WorktrailApiError, WorktrailConnectionError } from './api-error.ts';
export type { FollowOptions } from './event-stream.ts';
export type { CallOptions } from './resources/call.ts';
export type { OutputQuery, OutputRange } from './resources/commands.ts';
export type { EventQuery } from './resources/events.ts';
export type * from './api-types.ts';
