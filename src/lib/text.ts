/** Control, format and separator characters: a terminal could act on them, or show text in another order. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** The same without C0, which a JSON text has escaped already. */
const CONTROLS_IN_JSON = /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu;
/** The escapes of control characters, line breaks and tabs excepted; or any other escape, so that none is read in halves. */
const ESCAPES = /\\(?:(u[0-9a-f]{4}|[bfr])|.)/gi;

/** The first `max` UTF-16 units of a text, one less where that would halve a character; always well-formed. */
export function cut(text: string, max: number): string {
  const halves = text.length > max && /[\uD800-\uDBFF]/.test(text.charAt(max - 1));
  return text.slice(0, halves ? max - 1 : max).toWellFormed();
}

/** Replaces control, format and separator characters. */
export function printable(text: string): string {
  return text.replace(CONTROLS, '\ufffd');
}

/** Escapes in a JSON text the same characters; its value stays the same. */
export function escapeJson(json: string): string {
  return json.replace(CONTROLS_IN_JSON, escapesOf);
}

/** {@link escapeJson}, with escapes that are still escapes when the JSON text has been parsed: `\u001b` is shown as such. */
export function escapeJsonTwice(json: string): string {
  return escapeJson(json).replace(ESCAPES, (whole, control?: string) => (control ? `\\${whole}` : whole));
}

function escapesOf(character: string): string {
  let escapes = '';
  for (let i = 0; i < character.length; i++) escapes += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return escapes;
}
