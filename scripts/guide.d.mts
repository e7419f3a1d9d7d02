/** A value that a page tells, and the one that there is. */
export interface Shown {
  readonly expression?: string;
  readonly remark: string;
  readonly value: unknown;
}

export function scriptOf(text: string): string;
export function typedOf(text: string): string;
export function watchedScript(script: string): string;
export function shownIn(output: string): Shown[];
export function toldIn(remark: string): { readonly value: unknown; readonly within?: number } | undefined;
export function isAsTold(shown: Shown): boolean;
export function commandsIn(text: string): string[][];
export function optionsIn(words: readonly string[]): string[];
export function sessionIn(text: string): {
  readonly script?: string;
  readonly into?: string;
  readonly args?: string;
  readonly told?: string;
}[];
