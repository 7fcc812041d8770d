// What every method takes beside its own arguments, and how ids become paths.

export interface CallOptions {
  signal?: AbortSignal;
  /** For a POST, and a change of a file: the caller's own key, where a retry may come from another process. */
  idempotencyKey?: string;
}

export interface WaitOptions extends CallOptions {
  /** How long the answer may be held back for what is waited for; at most 290 are asked for. */
  waitSeconds?: number;
}

/** A path whose values are escaped: pathOf`/v1/sessions/${id}`. */
export function pathOf(texts: TemplateStringsArray, ...values: string[]): string {
  return texts.reduce((path, text, index) => path + encodeURIComponent(values[index - 1] ?? '') + text);
}
