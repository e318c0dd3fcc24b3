/** The secrets that the tests use, and where the sidecar shows one. */

/** A shorter one may well be part of an ordinary word. */
const MIN_LENGTH = 8;
/** Forms of secrets; the largest test has two thousand users. */
const MAX_FORMS = 20_000;
/** Digest responses; the oldest is forgotten first. */
const MAX_RESPONSES = 50_000;
const MAX_REPORTED = 10;
const DIGEST_RESPONSE = /\b[\da-f]{32,}\b/g;
const MASK = '********';

/** Form → name. */
const forms = new Map<string, string>();
/** The first MIN_LENGTH characters → the forms that begin so: most lines are searched, among thousands of forms. */
const beginnings = new Map<string, string[]>();
const responses = new Set<string>();
const exposures: string[] = [];

/**
 * Registers a secret: the test fails when the sidecar prints or logs it, as it is or as in JSON or a URL.
 * @param name for the failure, which does not repeat the secret
 * @returns the secret
 */
export function secret(name: string, text: string): string {
  if (text.length < MIN_LENGTH) throw new Error(`${name}: a secret of a test has at least ${MIN_LENGTH} characters`);
  for (const form of [text, JSON.stringify(text).slice(1, -1), encodeURIComponent(text)]) addForm(form, name);
  return text;
}

function addForm(form: string, name: string): void {
  if (forms.has(form)) return;
  if (forms.size === MAX_FORMS) throw new Error(`more than ${MAX_FORMS} forms of secrets`);
  forms.set(form, name);
  const beginning = form.slice(0, MIN_LENGTH);
  beginnings.set(beginning, [...(beginnings.get(beginning) ?? []), form]);
}

/** Registers a response of digest authentication. */
export function digestResponseSent(response: string): void {
  responses.add(response);
  if (responses.size <= MAX_RESPONSES) return;
  for (const oldest of responses) {
    responses.delete(oldest);
    return;
  }
}

/** Registers the digest responses in the credentials of a request. */
export function authorizationSent(request: string): void {
  for (const [, response = ''] of request.matchAll(/\bresponse="?([\da-f]{32,})/g)) digestResponseSent(response);
}

/** Registers the value of an Authorization header with these. */
export function basicCredentials(username: string, password: string): void {
  secret('Basic credentials', Buffer.from(`${username}:${password}`).toString('base64'));
}

/** Registers the password and the parameters of a URL. */
export function urlSecrets(text: string): void {
  const url = new URL(text);
  if (url.password !== '') secret('the password in a URL', decodeURIComponent(url.password));
  for (const [name, value] of url.searchParams) secret(`the parameter ${name} of a URL`, value);
}

/** Registers the passwords and secrets in a provisioning file. */
export function provisioned(toml: string): void {
  for (const [, key = '', text = ''] of toml.matchAll(/\b(password|secret)\s*=\s*"([^"\\]+)"/g))
    secret(`${key} in a provisioning file`, text);
  for (const [, url = ''] of toml.matchAll(/\burl\s*=\s*"(https?:[^"\\]+)"/g)) if (URL.canParse(url)) urlSecrets(url);
}

/** Registers the passwords, secrets and tokens among the variables of a sidecar. */
export function configured(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    // That of a MySQL server that is not ours may be any word.
    if (/(PASSWORD|SECRET|TOKEN)$/.test(name) && value !== '' && value !== process.env.MYSQL_ROOT_PASSWORD)
      secret(name, value);
  }
}

/** Looks for secrets in lines; {@link reportExposures} fails for those found. @param where for the failure */
export function searchForSecrets(where: string, lines: readonly string[]): void {
  for (const line of lines) {
    const found = secretsIn(line);
    if (found.length > 0)
      exposed(`${where} shows ${found.map(({ name }) => name).join(' and ')}: ${masked(line, found)}`);
  }
}

/** Notes what makes the test fail: an exposure, or output that could not be searched. */
export function exposed(message: string): void {
  if (exposures.length < MAX_REPORTED) exposures.push(message);
}

/** @throws Error when a secret was found since the last call */
export function reportExposures(): void {
  const found = exposures.splice(0);
  if (found.length > 0) throw new Error(found.join('\n'));
}

interface Found {
  readonly form: string;
  readonly name: string;
}

function secretsIn(text: string): Found[] {
  const found = new Map<string, string>();
  for (let at = 0; at + MIN_LENGTH <= text.length; at++)
    for (const form of beginnings.get(text.slice(at, at + MIN_LENGTH)) ?? [])
      if (text.startsWith(form, at)) found.set(form, forms.get(form) ?? '');
  for (const [form] of text.matchAll(DIGEST_RESPONSE)) if (responses.has(form)) found.set(form, 'a digest response');
  return [...found].map(([form, name]) => ({ form, name }));
}

function masked(line: string, found: readonly Found[]): string {
  return found.reduce((text, { form }) => text.replaceAll(form, MASK), line);
}
