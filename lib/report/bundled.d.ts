/**
 * The text of a module bundled for browsers, with all it imports: scripts/bundle.mjs makes it, for the build and for
 * tests.
 */
declare module '*?bundled' {
  const text: string;
  export default text;
}
