/** A URL for logs and alerts, without what may be secret in it: userinfo, query and fragment. Any text may be given. */
export function loggableUrl(text: string): string {
  const url = URL.parse(text);
  if (!url?.host) return text.replace(/[?#].*/s, '').replace(/^.*@/s, '');
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  return url.href;
}
