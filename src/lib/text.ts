/** The first `max` UTF-16 units of a text, one less where that would halve a character; always well-formed. */
export function cut(text: string, max: number): string {
  const halves = text.length > max && /[\uD800-\uDBFF]/.test(text.charAt(max - 1));
  return text.slice(0, halves ? max - 1 : max).toWellFormed();
}
