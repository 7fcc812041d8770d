// Schemas of text that comes from outside: bounded, well-formed Unicode, no NUL (which no program could be given).

import { z } from '@hono/zod-openapi';
import { type IdKind, idPrefixes, isId } from '@worktrail/contract/ids';
import { limits } from '@worktrail/contract/limits';

export function text(lengthMax: number) {
  return z
    .string()
    .max(lengthMax)
    .refine((value) => value.isWellFormed() && !value.includes('\0'), 'must be well-formed text without NUL');
}

/** Bounded in UTF-8 bytes. */
export function textOfBytes(bytesMax: number) {
  return text(bytesMax).refine((value) => Buffer.byteLength(value) <= bytesMax, `is over ${bytesMax} bytes`);
}

/** A name that people read: one line, not empty. */
export const name = text(limits.nameLengthMax)
  .regex(/\S/, 'must not be blank')
  .refine((value) => !/[\u0000-\u001f\u007f]/.test(value), 'must be one line');

export const environmentName = z
  .string()
  .max(limits.nameLengthMax)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be letters, digits and _, not beginning with a digit');

export const environmentValue = textOfBytes(limits.envValueBytesMax);

export const commandText = textOfBytes(limits.commandBytesMax).min(1);

/** Variables of a session or command. */
export const variables = z
  .record(environmentName, environmentValue)
  .refine(
    (value) => Object.keys(value).length <= limits.envVariablesMax,
    `has over ${limits.envVariablesMax} variables`,
  )
  .refine(
    (value) => variablesBytes(value) <= limits.envTotalBytesMax,
    `is over ${limits.envTotalBytesMax} bytes in all`,
  );

export function variablesBytes(value: Record<string, string>): number {
  return Object.entries(value).reduce((sum, [key, item]) => sum + key.length + Buffer.byteLength(item) + 2, 0);
}

export const labels = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$/, 'must be a label name'), text(limits.nameLengthMax))
  .refine((value) => Object.keys(value).length <= limits.labelsMax, `has over ${limits.labelsMax} labels`);

export function id(kind: IdKind) {
  return z
    .string()
    .refine((value) => isId(value, kind), `must be an id ${idPrefixes[kind]}_…`)
    .openapi({ example: `${idPrefixes[kind]}_01jd0000000000000000000000` });
}

export const time = z.string().openapi({ format: 'date-time' });
