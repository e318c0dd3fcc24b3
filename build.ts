/** Builds dist/sbc-sip-sidecar, one file with everything in it. */
import { $ } from 'bun';

await $`${process.execPath} build --compile --splitting --bytecode --format=esm --minify-syntax --minify-whitespace --sourcemap=none \
  --define ${'process.env.NODE_ENV="production"'} --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
  src/main.ts --outfile dist/sbc-sip-sidecar`;
