import { expect, test } from 'vitest';
import { type Schema, typesOf } from './schema-types.ts';

test('schemas become types of their names, descriptions comments', () => {
  const kind = { type: ['string', 'null'], enum: ['a', 'b', null] };
  const schemas: Record<string, Schema> = {
    Thing: {
      type: 'object',
      description: 'What there */ is.',
      required: ['id', 'parts'],
      properties: {
        id: { type: 'string' },
        size: { type: ['integer', 'null'], description: 'Bytes.' },
        parts: { type: 'array', items: { type: 'object', properties: { of: { $ref: '#/components/schemas/Thing' } } } },
        kinds: { type: 'array', items: kind },
        labels: { type: 'object', additionalProperties: { type: 'string' } },
      },
    },
    Named: { allOf: [{ $ref: '#/components/schemas/Thing' }, { description: 'only a comment' }] },
    Either: { oneOf: [{ type: 'number' }, { $ref: '#/components/schemas/Named' }] },
  };
  expect(typesOf(schemas)).toBe(`/** What there *\\/ is. */
export interface Thing {
  id: string;
  /** Bytes. */
  size?: number | null;
  parts: Array<{
    of?: Thing;
  }>;
  kinds?: Array<"a" | "b" | null>;
  labels?: Record<string, string>;
}

export type Named = Thing;

export type Either = number | Named;
`);
});

test('a keyword that is not known is an error', () => {
  expect(() => typesOf({ Thing: { not: { type: 'string' } } as Schema })).toThrow('not');
});
