import { expect } from 'bun:test';
import { dirname, join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { spawnProcess } from '../support/process.ts';
import { ended } from './cli.ts';

/** Variables of a shell: {@link onPath} makes the binary a command. */
type Env = Readonly<Record<string, string>>;

/** The binary on the path, and the socket that it asks. */
export async function onPath(socket: string): Promise<Env> {
  return { PATH: `${dirname(await sidecarBinary())}:${process.env.PATH}`, SBC_SOCKET_PATH: socket };
}

export async function bashOffers(script: string, line: string, env: Env = {}): Promise<string[]> {
  const asked = `source ${script}; COMP_LINE='${line}'; COMP_POINT=${line.length}
_sbc_sip_sidecar && printf '%s\\n' "\${COMPREPLY[@]}"; complete -p sbc-sip-sidecar >&2`;
  const { stdout, stderr } = await ended(spawnProcess('bash', ['--norc', '-c', asked], { env }));
  expect(stderr).toBe('complete -F _sbc_sip_sidecar sbc-sip-sidecar');
  return stdout === '' ? [] : stdout.split('\n');
}

/** Fish's completions at the end of this line, each with a tab and its description, sorted. */
export async function fishOffers(script: string, line: string, more: Env = {}): Promise<string[]> {
  const asked = `source ${script}; complete -C '${line}'`;
  const env = { HOME: temporaryDirectory('fish'), ...more };
  const { code, stdout, stderr } = await ended(spawnProcess('fish', ['--no-config', '-c', asked], { env }));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout === '' ? [] : stdout.split('\n');
}

/** Separates the completions of two lines. */
const SEPARATOR = '//';

/**
 * Makes zsh complete each line of $ASKED, append all completions to $OFFERED, and exit. zsh completes only at a prompt on
 * a terminal.
 */
const ZSHRC = `
autoload -Uz compinit
compinit -D -u
[[ -z $SCRIPT ]] || source $SCRIPT
compadd() {
  local -a hits
  builtin compadd -O hits "$@"
  (( $#hits )) && print -rl -- $hits >>$OFFERED
  builtin compadd "$@"
}
zle -C offer complete-word _main_complete
zle-line-init() {
  for BUFFER in "\${(@f)ASKED}"; do
    CURSOR=$#BUFFER
    zle offer
    print -r -- ${SEPARATOR} >>$OFFERED
  done
  exit 0
}
zle -N zle-line-init
`;

/**
 * Zsh's completions at the end of each line, sorted, in a directory with a file `accounts.toml` and a directory `accounts`.
 * @param how whether the script is sourced or loaded from $fpath
 */
export async function zshOffers(
  script: string,
  lines: readonly string[],
  how: 'sourced' | 'fpath' = 'sourced',
  more: Env = {},
): Promise<string[][]> {
  const home = temporaryDirectory('zsh');
  const offered = join(home, 'offered');
  await Promise.all(['accounts.toml', 'accounts/x'].map((name) => Bun.write(join(home, name), '')));
  if (how === 'fpath') await Bun.write(join(home, '_sbc-sip-sidecar'), Bun.file(script));
  await Bun.write(join(home, '.zshrc'), how === 'fpath' ? `fpath=(${home} $fpath)\n${ZSHRC}` : ZSHRC);
  const env = { TERM: 'xterm', ZDOTDIR: home, HOME: home, OFFERED: offered, ASKED: lines.join('\n'), ...more };
  const sourced = how === 'sourced' ? { SCRIPT: script } : {};
  const shell = spawnProcess('script', ['-qec', 'zsh -i', '/dev/null'], { env: { ...env, ...sourced }, cwd: home });
  const { code, stdout } = await ended(shell);
  expect({ code, complaints: stdout.match(/\S*(?:zsh|zshrc|_sbc\S*|completion\S*):\d+:.*/g) }).toEqual({
    code: 0,
    complaints: null,
  });
  const answers = (await Bun.file(offered).text()).split(`${SEPARATOR}\n`).slice(0, -1);
  // Completion functions may run compadd several times with the same or no words.
  return answers.map((words) => [...new Set(words.split('\n').filter((word) => word !== ''))].toSorted());
}
