// Whether a tenant's SQL stays inside its views. Everything here is an allow-list: what is not known is refused.
//
// The text is always the one that ClickHouse's own formatter wrote (one statement, no comments, canonical literals) and the tree the
// one its own parser gives of that same text, one node a line, so nothing is guessed about SQL.
//
// 1. One SELECT. No SETTINGS, FORMAT, INTO OUTFILE, parameters.
// 2. Tables are the views and the statement's own WITH names; no database, no table function, no table right of IN.
// 3. Functions are those of functions.ts. Transformers that name functions (APPLY) are refused. Names of types and time zones that
//    they take as text are literals, and so is one of two lists whose elements are all compared.
// 4. Physical names (ending in _v and digits) are refused wherever they stand.

import { firstTimeZoneArgument, isAllowedFunction, isPlainType, isTimeZone, takesType } from './functions.ts';

export class QueryRefused extends Error {}

export interface Token {
  kind: 'word' | 'quoted' | 'string' | 'other';
  text: string;
  /** Where in the text it begins. */
  start: number;
}

const tokenPattern = /'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_$]*|\s+|[\s\S]/gy;

/** The tokens of canonical text; white space is dropped. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (const { 0: token, index } of text.matchAll(tokenPattern)) {
    if (/^\s/.test(token)) continue;
    tokens.push({ kind: tokenKind(token), text: token, start: index });
  }
  return tokens;
}

function tokenKind(token: string): Token['kind'] {
  if (token.length > 1 && token.startsWith("'")) return 'string';
  if (token.length > 1 && /^[`"]/.test(token)) return 'quoted';
  return /^[A-Za-z_]/.test(token) ? 'word' : 'other';
}

const refusedWords = new Set([
  'into',
  'outfile',
  'format',
  'settings',
  'recursive',
  'sample',
  'apply',
  'infile',
  'explain',
  'describe',
  'totals',
]);
const physicalName = /_v\d+$/i;
const quotedName = /^[`"][A-Za-z_][A-Za-z0-9_ ]*[`"]$/;

/** Checks the tokens and answers with the names that WITH (or WINDOW) defines. @throws QueryRefused */
export function checkTokens(tokens: readonly Token[], views: ReadonlySet<string>): Set<string> {
  const first = tokens[0]?.text.toUpperCase();
  if (first !== 'SELECT' && first !== 'WITH') throw new QueryRefused('a statement begins with SELECT or WITH');
  const defined = new Set<string>();
  for (const [index, token] of tokens.entries()) {
    checkToken(token, tokens[index + 1]);
    const name = definedName(tokens, index);
    if (name === undefined) continue;
    if (views.has(name)) throw new QueryRefused(`"${name}" is a view and cannot be defined again`);
    defined.add(name);
  }
  return defined;
}

function checkToken(token: Token, next: Token | undefined): void {
  if (token.kind === 'other' && /[{};@`"'\\$#]/.test(token.text)) {
    throw new QueryRefused(`"${token.text}" cannot be used here; parameters and braces are not supported`);
  }
  if (token.kind === 'quoted' && !quotedName.test(token.text)) {
    throw new QueryRefused('a quoted name may have letters, digits, underscores and spaces');
  }
  if (token.kind !== 'word' && token.kind !== 'quoted') return;
  const name = unquoted(token);
  if (physicalName.test(name)) throw new QueryRefused(`the name ${name} is reserved`);
  const isCall = next?.text === '(' && name.toLowerCase() === 'format';
  if (token.kind === 'word' && refusedWords.has(name.toLowerCase()) && !isCall) {
    throw new QueryRefused(`${name.toUpperCase()} cannot be used here`);
  }
}

function definedName(tokens: readonly Token[], index: number): string | undefined {
  const token = tokens[index]!;
  if (token.kind !== 'word' && token.kind !== 'quoted') return undefined;
  const isDefinition = tokens[index + 1]?.text.toUpperCase() === 'AS' && tokens[index + 2]?.text === '(';
  return isDefinition ? unquoted(token) : undefined;
}

function unquoted(token: Token): string {
  return token.kind === 'quoted' ? token.text.slice(1, -1) : token.text;
}

const allowedNodes = new Set([
  'SelectWithUnionQuery',
  'SelectIntersectExceptQuery',
  'SelectQuery',
  'ExpressionList',
  'TablesInSelectQuery',
  'TablesInSelectQueryElement',
  'TableExpression',
  'TableIdentifier',
  'TableJoin',
  'ArrayJoin',
  'Subquery',
  'Function',
  'Identifier',
  'Literal',
  'Asterisk',
  'QualifiedAsterisk',
  'WithElement',
  'WindowDefinition',
  'WindowListElement',
  'OrderByElement',
  'ColumnsTransformerList',
  'ColumnsExceptTransformer',
  'ColumnsReplaceTransformer',
  'ColumnsReplaceTransformer::Replacement',
]);

interface Node {
  depth: number;
  kind: string;
  name: string;
}

/** Checks the tree of EXPLAIN AST, one node a line, depth by leading spaces. @throws QueryRefused */
export function checkTree(lines: readonly string[], tables: ReadonlySet<string>): void {
  const nodes = lines.filter((line) => line !== '').map(parseNode);
  if (nodes[0]?.kind !== 'SelectWithUnionQuery') throw new QueryRefused('only SELECT can be asked');
  for (const [index, node] of nodes.entries()) {
    if (!allowedNodes.has(node.kind)) throw new QueryRefused(`${node.kind} is not supported here`);
    if (node.kind === 'TableIdentifier' && !tables.has(node.name)) {
      throw new QueryRefused(`there is no view ${node.name}; there are: ${[...tables].join(', ')}`);
    }
    if (node.kind === 'TableExpression') checkTableExpression(nodes, index);
    if (node.kind === 'Function') checkFunction(nodes, index);
  }
}

function parseNode(line: string): Node {
  const match = /^( *)([A-Za-z:]+)(?: (.*))?$/.exec(line);
  if (!match) throw new QueryRefused('the statement cannot be understood');
  const name = (match[3] ?? '').replace(/ \(children \d+\)$/, '').replace(/ ?\(alias .*\)$/, '');
  return { depth: match[1]!.length, kind: match[2]!, name };
}

function childrenOf(nodes: readonly Node[], index: number): number[] {
  const children: number[] = [];
  const depth = nodes[index]!.depth;
  for (let at = index + 1; at < nodes.length && nodes[at]!.depth > depth; at++) {
    if (nodes[at]!.depth === depth + 1) children.push(at);
  }
  return children;
}

function checkTableExpression(nodes: readonly Node[], index: number): void {
  for (const child of childrenOf(nodes, index)) {
    const { kind, name } = nodes[child]!;
    if (kind !== 'TableIdentifier' && kind !== 'Subquery') {
      throw new QueryRefused(`the table function ${name} cannot be used here`);
    }
  }
}

const membership = /^(?:global)?(?:not)?(?:null)?in(?:ignoreset)?$/i;

function checkFunction(nodes: readonly Node[], index: number): void {
  const { name } = nodes[index]!;
  if (!isAllowedFunction(name)) throw new QueryRefused(`the function ${name} cannot be used here`);
  const list = childrenOf(nodes, index)[0];
  const values = list === undefined ? [] : childrenOf(nodes, list);
  checkNamedTexts(
    name,
    values.map((value) => nodes[value]!),
  );
  if (comparesAll.test(name) && !values.some((value) => isWritten(nodes, value))) {
    throw new QueryRefused(`one of the two lists of ${name} is written in the statement`);
  }
  if (!membership.test(name)) return;
  const right = values[1];
  if (right === undefined || nodes[right]!.kind === 'Identifier') {
    throw new QueryRefused('right of IN stands a list or a subquery');
  }
}

/** Each element of the one with each of the other, within one call. */
const comparesAll = /^has(?:all|any)$/i;

/** A literal, or a list or cast of such. */
function isWritten(nodes: readonly Node[], index: number): boolean {
  const { kind, name } = nodes[index]!;
  if (kind === 'Literal') return true;
  if (kind !== 'Function' || !/^(?:array|tuple|_?cast)$/i.test(name)) return false;
  return childrenOf(nodes, index)
    .flatMap((list) => childrenOf(nodes, list))
    .every((value) => isWritten(nodes, value));
}

function checkNamedTexts(name: string, values: readonly Node[]): void {
  const type = takesType(name) ? values.at(-1) : undefined;
  if (type && !isPlainType(literalText(type) ?? '?')) {
    throw new QueryRefused(`the type of ${name} is the plain name of a type of plain values`);
  }
  const first = firstTimeZoneArgument(name);
  if (first === undefined) return;
  // How many arguments an asterisk becomes is not known here.
  const isKnown = !values.some(({ kind }) => kind.includes('Asterisk'));
  const isZoned = (node: Node) => node.kind === 'Literal' && isTimeZone(literalText(node) ?? 'UTC');
  if (!isKnown || !values.slice(first).every(isZoned)) {
    throw new QueryRefused(`the time zone of ${name} is the plain name of a time zone, as 'Europe/Berlin'`);
  }
}

/** Of a literal that is a string, as the tree has it: `'text'`. */
function literalText({ kind, name }: Node): string | undefined {
  const match = kind === 'Literal' ? /^'([\s\S]*)'$/.exec(name) : null;
  return match?.[1]?.replaceAll("\\'", "'");
}

/** Checks the tables of EXPLAIN QUERY TREE: what ClickHouse itself resolved every name to. @throws QueryRefused */
export function checkResolvedTables(lines: readonly string[], physical: ReadonlySet<string>): void {
  for (const line of lines) {
    if (/^\s*TABLE_FUNCTION\b/.test(line)) throw new QueryRefused('a table function cannot be used here');
    const table = /^\s*TABLE id: .*?table_name: ([^\s,]+)/.exec(line);
    if (table && !physical.has(table[1]!)) throw new QueryRefused(`the table ${table[1]} cannot be read`);
    if (!table && /^\s*TABLE\b(?! EXPRESSION)/.test(line)) throw new QueryRefused('the statement cannot be understood');
  }
}
