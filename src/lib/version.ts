import { version } from '../../package.json';

/** Texts that build.ts puts in the place of these names; there are none in a run without a build. */
declare const BUILD_COMMIT: string | undefined;
declare const BUILD_DATE: string | undefined;

/** The version of this program, from package.json. */
export const VERSION: string = version;
/** The commit it was built from, with `-dirty` when its sources had been changed; `unknown` without a build or git. */
export const COMMIT: string = typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : 'unknown';
/** Day of the commit, not of the build, which could not be repeated: `2026-05-04`; `unknown` without a build or git. */
export const BUILT: string = typeof BUILD_DATE === 'string' ? BUILD_DATE : 'unknown';
