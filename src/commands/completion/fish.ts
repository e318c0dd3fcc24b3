import type { Offers } from './offers.ts';
import { type CommandNode, everyNode, HELP, lastName } from './tree.ts';

/** Arguments of complete for flag values, by value hint. */
const ACTIONS: Readonly<Record<string, string>> = {
  file: ' -r -F',
  dir: ' -r -F',
  files: " -x -a '(__sbc_sip_sidecar_files)'",
};

export function fish(root: CommandNode): string {
  const program = lastName(root);
  const lines = [...everyNode(root)].flatMap((node) => [
    ...node.children.map((child) => `${complete(node)} -f -a ${lastName(child)} -d ${quoted(child.description)}`),
    ...node.flags.map(({ name, description, value, offers }) => {
      const takes = value === undefined ? '' : (ACTIONS[value] ?? ` -x${offered(offers)}`);
      return `${complete(node)} -l ${name}${takes} -d ${quoted(description)}`;
    }),
    ...node.positionals.slice(0, 1).flatMap(({ offers }) => {
      const values = offered(offers);
      return values === '' ? [] : [`${complete(node, 'exactly')} -f${values}`];
    }),
  ]);
  return `# Completion of ${program} for fish

# Whether the words so far, flags left out, are this command: exactly, or with arguments after it.
function __sbc_sip_sidecar_at
    set -l how $argv[1]
    set -e argv[1]
    set -l words (commandline -opc)
    set -e words[1]
    set -l typed
    for word in $words
        string match -q -- '-*' $word; or set -a typed $word
    end
    test "$typed[1]" = ${HELP}; and set -e typed[1]
    if test $how = exactly
        test "$typed" = "$argv"
    else
        string match -q -- "$argv *" "$typed "
    end
end

# Files for the last item of a list.
function __sbc_sip_sidecar_files
    set -l before (string match -r -- '.*,' (commandline -ct))
    set -l after (string replace -r -- '.*,' '' (commandline -ct))
    printf '%s\\n' "$before"(__fish_complete_path $after)
end

# Values that the running sidecar knows, with what they are.
function __sbc_sip_sidecar_values
    set -l program (commandline -opc)[1]
    command -q $program; and $program __complete $argv[1] (commandline -ct) 2>/dev/null
end

complete -c ${program} -f
complete -c ${program} -l help -d 'Show the usage'
${lines.join('\n')}
`;

  function complete({ path, children }: CommandNode, how = children.length > 0 ? 'exactly' : 'under'): string {
    return `complete -c ${program} -n ${quoted(['__sbc_sip_sidecar_at', how, ...path.slice(1)].join(' '))}`;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function offered({ words, kind }: Offers): string {
  if (words) return ` -a ${quoted(words.join(' '))}`;
  return kind === undefined ? '' : ` -a '(__sbc_sip_sidecar_values ${kind})'`;
}
