// Why a sandbox cannot be made, in a way that trying again cannot help.

import type { SessionFailureCode } from '@worktrail/contract/errors';

/** Ends the session as `failed` with this code. `message` is shown to people and holds no credential. */
export class SessionFailure extends Error {
  override readonly name = 'SessionFailure';
  readonly code: SessionFailureCode;
  constructor(code: SessionFailureCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An upstream that does not answer now, asked for files that exist: trying again may help, and giving up at once would lose them. */
export class UpstreamAway extends Error {
  override readonly name = 'UpstreamAway';
}

/** Another placement of the session is newer: whoever asks is not its owner any more. */
export class StaleGeneration extends Error {
  override readonly name = 'StaleGeneration';
}
