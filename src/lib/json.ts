/** The value that a JSON text stands for; undefined, which no JSON is, when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // JSON.parse throws SyntaxError only
  }
}
