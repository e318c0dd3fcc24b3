import { type CommandNode, everyNode, lastName } from './tree.ts';

export function fish(root: CommandNode): string {
  const program = lastName(root);
  const lines = [...everyNode(root)].flatMap((node) => [
    ...node.children.map((child) => `${complete(node)} -f -a ${lastName(child)} -d ${quoted(child.description)}`),
    ...node.flags.map(({ name, description, value }) => {
      const takes = value === undefined ? '' : value === 'file' || value === 'dir' ? ' -r -F' : ' -x';
      return `${complete(node)} -l ${name}${takes} -d ${quoted(description)}`;
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
    if test $how = exactly
        test "$typed" = "$argv"
    else
        string match -q -- "$argv *" "$typed "
    end
end

complete -c ${program} -f
complete -c ${program} -l help -d 'Show the usage'
${lines.join('\n')}
`;

  function complete({ path, children }: CommandNode): string {
    const how = children.length > 0 ? 'exactly' : 'under';
    return `complete -c ${program} -n ${quoted(['__sbc_sip_sidecar_at', how, ...path.slice(1)].join(' '))}`;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
