// Values of a statement's parameters, as ClickHouse's clients write them: escaped as in TabSeparated; within a list strings are quoted.

type Scalar = string | number | boolean | null;

export function parameterText(value: Scalar | readonly Scalar[]): string {
  if (Array.isArray(value)) return `[${value.map(listed).join(',')}]`;
  if (value === null) return '\\N';
  return escaped(String(value));
}

function listed(value: Scalar): string {
  if (value === null) return 'NULL';
  return typeof value === 'string' ? `'${escaped(value).replaceAll("'", "\\'")}'` : String(value);
}

const signs: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

const escaped = (text: string) => text.replace(/[\\\t\n\r]/g, (sign) => signs[sign]!);
