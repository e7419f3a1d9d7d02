/** The version of the package; equal to that of package.json. */
export const version = '0.1.0';
