import type { Offers } from './offers.ts';
import { type Argument, type CommandNode, everyNode, HELP, lastName } from './tree.ts';

/** _arguments actions for flag values, by value hint. */
const ACTIONS: Readonly<Record<string, string>> = { file: '_files', dir: '_files -/', files: '_sequence _files' };

/** A zsh completion script, with descriptions, to be sourced or put into $fpath. */
export function zsh(root: CommandNode): string {
  const nodes = [...everyNode(root)].filter((node) => lastName(node) !== HELP);
  const functions = nodes.map((node) => (node.children.length > 0 ? group(node, root) : leaf(node)));
  return `#compdef ${lastName(root)}
# Completion of ${lastName(root)} for zsh

# Values that the running sidecar knows, with what they are. Before their kind are options for compadd.
${nameOf(root)}__values() {
  local line
  local -a values shown
  for line in "\${(@f)$(\${~program} __complete $@[-1] "$PREFIX" 2>/dev/null)}"; do
    [[ -n $line ]] || continue
    values+=("\${line%%$'\\t'*}")
    shown+=("\${line/$'\\t'/  -- }")
  done
  compadd "\${@[1,-2]}" -l -d shown -a values
}

${functions.join('\n')}
if [ "$funcstack[1]" = ${nameOf(root)} ]; then
  ${nameOf(root)} "$@"
else
  compdef ${nameOf(root)} ${lastName(root)}
fi
`;
}

function group(node: CommandNode, root: CommandNode): string {
  const commands = node.children.map((child) => `    ${quoted(`${lastName(child)}:${child.description}`)}`);
  const cases = node.children.map((child) => {
    const completes = lastName(child) === HELP ? root : child;
    return `      ${lastName(child)}) ${nameOf(completes)} ;;`;
  });
  // The program as it was typed: groups see the words after it only.
  const program = node === root ? `\n  local program=\${program:-$words[1]}` : '';
  return `${nameOf(node)}() {${program}
  local curcontext=$curcontext state line
  local -a commands=(
${commands.join('\n')}
  )
  _arguments -C '--help[Show the usage]' '1: :->command' '*:: :->arguments'
  case $state in
    command) _describe command commands ;;
    arguments) case $line[1] in
${cases.join('\n')}
    esac ;;
  esac
}
`;
}

function leaf(node: CommandNode): string {
  const specs = [...node.flags.map(flag), quoted('--help[Show the usage]'), ...node.positionals.map(positional)];
  return `${nameOf(node)}() {\n  _arguments ${specs.join(' \\\n    ')}\n}\n`;
}

function positional({ description, required, offers }: Argument, index: number): string {
  return quoted(`${index + 1}:${required ? '' : ':'}${escaped(description)}:${action(offers)}`);
}

function action({ words, kind }: Offers): string {
  if (words) return `(${words.join(' ')})`;
  return kind === undefined ? ' ' : `_sbc-sip-sidecar__values ${kind}`;
}

function flag({ name, description, value, offers }: Argument): string {
  const text = `[${escaped(description)}]`;
  if (value === undefined) return quoted(`--${name}${text}`);
  return quoted(`--${name}=${text}:${escaped(value)}:${ACTIONS[value] ?? action(offers)}`);
}

/** Colons and brackets are syntax in the arguments of _arguments. */
function escaped(text: string): string {
  return text.replace(/[:[\]]/g, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** autoload requires that the root's function has the name of the file in $fpath. */
function nameOf({ path }: CommandNode): string {
  return `_${path.join('_')}`;
}
