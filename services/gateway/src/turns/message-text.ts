// What an agent may be told.

import { messageBytesMax } from '@worktrail/contract/turns';
import { textOfBytes } from '../text.ts';

/** Providers refuse a text of nothing but white space, and with it every conversation that has one. */
export const messageText = textOfBytes(messageBytesMax).regex(/\S/, 'must say something');
