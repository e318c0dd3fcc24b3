import { type CommandNode, everyNode, lastName } from './tree.ts';

/** compgen options for flag values, by value hint. */
const ACTIONS: Readonly<Record<string, string>> = { file: '-f', dir: '-d' };

export function bash(root: CommandNode): string {
  const program = lastName(root);
  const nodes = [...everyNode(root)];
  const below = (node: CommandNode) => node.path.slice(1).join(' ');
  const paths = nodes.filter((node) => node !== root).map((node) => `'${below(node)}'`);
  const words = nodes.map((node) => {
    const offered = [...node.children.map(lastName), ...[...node.flags.map(({ name }) => `--${name}`), '--help']];
    return `    '${below(node)}') words='${offered.join(' ')}' ;;`;
  });
  const valued = new Map(
    nodes.flatMap(({ flags }) => flags).flatMap(({ name, value }) => (value ? [[name, value]] : [])),
  );
  const values = [...valued].map(([name, value]) => {
    const action = ACTIONS[value];
    return `    --${name}) ${action ? `COMPREPLY=($(compgen ${action} -- "$current")); ` : ''}return ;;`;
  });
  return `# Completion of ${program} for bash
_sbc_sip_sidecar() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' words='' next i
  COMPREPLY=()
  case "\${COMP_WORDS[COMP_CWORD-1]}" in
${values.join('\n')}
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
      ${paths.join(' | ')}) path=$next ;;
    esac
  done
  case "$path" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _sbc_sip_sidecar ${program}
`;
}
