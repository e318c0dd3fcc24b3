export interface LicenseText {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  readonly text: string;
}

/** Put in the place of this name by build.ts. */
declare const BUILD_LICENSES: readonly LicenseText[] | undefined;

/** The licences of all that is inside this binary; empty in a run without a build, where each package is in node_modules. */
export const LICENSES: readonly LicenseText[] = typeof BUILD_LICENSES === 'undefined' ? [] : BUILD_LICENSES;
