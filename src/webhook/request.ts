export interface WebhookCall {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  /** Values without control characters. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The bytes of an HTTP/1.1 request. A URL has neither spaces nor line breaks in its path and query: they are encoded. */
export function composeRequest({ url, method, headers, body }: WebhookCall): string {
  let head = `${method} ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  if (body !== undefined) head += `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${head}Connection: keep-alive\r\n\r\n${body ?? ''}`;
}
