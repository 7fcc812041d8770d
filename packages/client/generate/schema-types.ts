// JSON schemas as OpenAPI 3.1 documents have them, as TypeScript: what the gateway says of its API is what a client's types are.
//
// 1. A schema becomes a type of its name; its descriptions become comments; bounds, patterns, defaults and examples are left out.
// 2. A keyword that is not known here is an error: what it means would be missing in the type.

export interface Schema {
  $ref?: string;
  type?: string | readonly string[];
  enum?: readonly unknown[];
  properties?: Record<string, Schema>;
  required?: readonly string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  allOf?: readonly Schema[];
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  description?: string;
}

const known = new Set([
  ...['$ref', 'type', 'enum', 'properties', 'required', 'additionalProperties', 'items', 'allOf', 'anyOf', 'oneOf'],
  ...['description', 'default', 'example', 'format', 'pattern', 'minLength', 'maxLength', 'minItems', 'maxItems'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
]);

export function typesOf(schemas: Record<string, Schema>): string {
  return Object.entries(schemas)
    .map(([name, schema]) => {
      const type = typeOf(schema, '');
      const isObject = schema.type === 'object' && schema.properties !== undefined;
      const declared = isObject ? `interface ${name} ${type}` : `type ${name} = ${type};`;
      return `${comment(schema, '')}export ${declared}\n`;
    })
    .join('\n');
}

function typeOf(schema: Schema, indent: string): string {
  for (const keyword of Object.keys(schema)) if (!known.has(keyword)) throw new Error(`unknown keyword ${keyword}`);
  if (schema.$ref) return schema.$ref.split('/').at(-1)!;
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const all = schema.allOf?.map((one) => typeOf(one, indent)).filter((type) => type !== 'unknown');
  if (all) return all.join(' & ');
  const any = schema.anyOf ?? schema.oneOf;
  if (any) return any.map((one) => typeOf(one, indent)).join(' | ');
  if (schema.type === undefined) return 'unknown';
  return [schema.type]
    .flat()
    .map((type) => typeNamed(type as string, schema, indent))
    .join(' | ');
}

function typeNamed(type: string, schema: Schema, indent: string): string {
  switch (type) {
    case 'integer':
      return 'number';
    case 'array': {
      const item = typeOf(schema.items ?? {}, indent);
      return /^\w+$/.test(item) ? `${item}[]` : `Array<${item}>`;
    }
    case 'object':
      return objectType(schema, indent);
    default:
      return type;
  }
}

function objectType({ properties, required = [], additionalProperties }: Schema, indent: string): string {
  if (!properties) {
    const value = typeof additionalProperties === 'object' ? typeOf(additionalProperties, indent) : 'unknown';
    return `Record<string, ${value}>`;
  }
  const inner = `${indent}  `;
  const members = Object.entries(properties).map(([name, schema]) => {
    const key = `${name}${required.includes(name) ? '' : '?'}`;
    return `${comment(schema, inner)}${inner}${key}: ${typeOf(schema, inner)};\n`;
  });
  return `{\n${members.join('')}${indent}}`;
}

function comment({ description }: Schema, indent: string): string {
  return description ? `${indent}/** ${description.replaceAll('*/', '*\\/').replaceAll('\n', ' ')} */\n` : '';
}
