import { type Argument, type CommandNode, everyNode, lastName } from './tree.ts';

/** _arguments actions for flag values, by value hint. */
const ACTIONS: Readonly<Record<string, string>> = { file: '_files', dir: '_files -/' };

/** A zsh completion script, with descriptions, to be sourced or put into $fpath. */
export function zsh(root: CommandNode): string {
  const functions = [...everyNode(root)].map((node) => (node.children.length > 0 ? group(node) : leaf(node)));
  return `#compdef ${lastName(root)}
# Completion of ${lastName(root)} for zsh

${functions.join('\n')}
if [ "$funcstack[1]" = ${nameOf(root)} ]; then
  ${nameOf(root)} "$@"
else
  compdef ${nameOf(root)} ${lastName(root)}
fi
`;
}

function group(node: CommandNode): string {
  const commands = node.children.map((child) => `    ${quoted(`${lastName(child)}:${child.description}`)}`);
  const cases = node.children.map((child) => `      ${lastName(child)}) ${nameOf(child)} ;;`);
  return `${nameOf(node)}() {
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

function positional({ description, required }: Argument, index: number): string {
  return quoted(`${index + 1}:${required ? '' : ':'}${escaped(description)}: `);
}

function flag({ name, description, value }: Argument): string {
  const text = `[${escaped(description)}]`;
  if (value === undefined) return quoted(`--${name}${text}`);
  return quoted(`--${name}=${text}:${escaped(value)}:${ACTIONS[value] ?? ' '}`);
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
