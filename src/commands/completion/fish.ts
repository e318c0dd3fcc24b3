import { everyNode, lastName, type Node } from './tree.ts';

/** A completion script for fish: sub-commands and flags with their descriptions. */
export function fish(root: Node): string {
  const program = lastName(root);
  const lines = [...everyNode(root)].flatMap((node) => [
    ...node.children.map((child) => `${complete(node)} -f -a ${lastName(child)} -d ${quoted(child.description)}`),
    ...node.flags.map(({ name, description, value }) => {
      const takes = value === undefined ? '' : value === 'file' || value === 'dir' ? ' -r -F' : ' -x';
      return `${complete(node)} -l ${name}${takes} -d ${quoted(description)}`;
    }),
  ]);
  return `# Completion of ${program} for fish

# Whether the words so far, flags left out, are this command: exactly, or with arguments when it takes some.
function __sbc_sip_sidecar_at
    set -l words (commandline -opc)
    set -l typed (string match -v -- '-*' $words[2..-1])
    test (count $typed) -ge (count $argv[2..-1]); or return 1
    test $argv[1] = exactly -a (count $typed) -ne (count $argv[2..-1]); and return 1
    test (count $argv) -eq 1; and return 0
    test "$typed[1..(count $argv[2..-1])]" = "$argv[2..-1]"
end

complete -c ${program} -f
complete -c ${program} -l help -d 'Show the usage'
${lines.join('\n')}
`;

  function complete({ path, children }: Node): string {
    const how = children.length > 0 ? 'exactly' : 'under';
    return `complete -c ${program} -n ${quoted(['__sbc_sip_sidecar_at', how, ...path.slice(1)].join(' '))}`;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
