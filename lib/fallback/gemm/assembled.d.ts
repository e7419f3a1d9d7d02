/** A module of WebAssembly in base64: scripts/bundle.mjs assembles it, for the build and for tests. */
declare module '*.wat' {
  const base64: string;
  export default base64;
}

/** What @types/node leaves out, and only browsers' libraries of types have. */
declare namespace WebAssembly {
  const Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  const Module: new (bytes: Uint8Array) => object;
  const Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
  function validate(bytes: Uint8Array): boolean;
}
