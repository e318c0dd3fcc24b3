import { type Argument, type CommandNode, everyNode, HELP, lastName } from './tree.ts';

/** compgen options for flag values, by value hint. */
const ACTIONS: Readonly<Record<string, string>> = { file: '-f', dir: '-d', files: '-f -P "$before"' };

export function bash(root: CommandNode): string {
  const program = lastName(root);
  const nodes = [...everyNode(root)];
  const below = (node: CommandNode) => node.path.slice(1).join(' ');
  const paths = nodes.filter((node) => node !== root && lastName(node) !== HELP).map((node) => `'${below(node)}'`);
  const words = nodes.map((node) => {
    const [first] = node.positionals;
    const offered = [...node.children.map(lastName), ...node.flags.map(({ name }) => `--${name}`), '--help'];
    const { words: values, kind } = first?.offers ?? {};
    const also = `${values ? `; values='${values.join(' ')}'` : ''}${kind ? `; kind=${kind}` : ''}`;
    return `    '${below(node)}') words='${offered.join(' ')}'${also} ;;`;
  });
  const valued = new Map(nodes.flatMap(({ flags }) => flags).map((flag): [string, Argument] => [flag.name, flag]));
  const flags = [...valued.values()].filter(({ value }) => value !== undefined);
  return `# Completion of ${program} for bash
_sbc_sip_sidecar() {
  local line=\${COMP_LINE:0:COMP_POINT} path='' words='' values='' kind='' given='' next i
  local -a typed
  # Bash itself would also split at colons, which are in IPv6 addresses.
  read -ra typed <<<"$line"
  [[ $line == *[[:space:]] ]] && typed+=('')
  local last=$((\${#typed[@]} - 1))
  local current=\${typed[last]}
  local after=\${current##*,}
  local before=\${current%"$after"}
  COMPREPLY=()
  for ((i = 1; i < last; i++)); do
    next="\${path:+$path }\${typed[i]}"
    case "$next" in
      ${HELP} | -* | *' -'*) ;;
      ${paths.join(' | ')}) path=$next ;;
      *) case "\${typed[i-1]}" in
        ${flags.map(({ name }) => `--${name}`).join(' | ')}) ;;
        *) given=1 ;;
      esac ;;
    esac
  done
  case "$path" in
${words.join('\n')}
  esac
  case "\${typed[last-1]}" in
${flags.map(flagCase).join('\n')}
    *)
      if [[ -z $given && $current != -* ]]; then
        words+=" $values"
        [[ -z $kind ]] || words+=" $("\${typed[0]}" __complete "$kind" "$current" 2>/dev/null | cut -f1)"
      fi
      COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
  # Bash replaces only what follows the last colon.
  if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then
    local kept=\${current%"\${current##*:}"}
    COMPREPLY=("\${COMPREPLY[@]#"$kept"}")
  fi
}
complete -F _sbc_sip_sidecar ${program}
`;
}

function flagCase({ name, value = '', offers }: Argument): string {
  const action = offers.words ? `-W '${offers.words.join(' ')}'` : ACTIONS[value];
  const word = value === 'files' ? '$after' : '$current';
  return `    --${name}) ${action ? `COMPREPLY=($(compgen ${action} -- "${word}"))` : ':'} ;;`;
}
