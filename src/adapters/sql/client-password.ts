import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** AES-256-CBC, or CTR in older systems; the key is the first 32 characters of base64(SHA-256(secret)), as ASCII. */
export class ClientPasswordCipher {
  readonly #key: string;
  readonly #algorithm: string;

  constructor(secret: string, legacy: boolean) {
    this.#key = createHash('sha256').update(secret).digest('base64').slice(0, 32);
    this.#algorithm = legacy ? 'aes-256-ctr' : 'aes-256-cbc';
  }

  encrypt(password: string): string {
    const iv = randomBytes(16);
    const cipher = createCipheriv(this.#algorithm, this.#key, iv);
    const content = Buffer.concat([cipher.update(password, 'utf8'), cipher.final()]);
    return JSON.stringify({ iv: iv.toString('hex'), content: content.toString('hex') });
  }

  /** @returns undefined when the text was, recognisably, not encrypted with this secret */
  decrypt(stored: string): string | undefined {
    try {
      const { iv, content }: { iv: string; content: string } = JSON.parse(stored);
      const decipher = createDecipheriv(this.#algorithm, this.#key, Buffer.from(iv, 'hex'));
      return utf8.decode(Buffer.concat([decipher.update(Buffer.from(content, 'hex')), decipher.final()]));
    } catch {
      return undefined; // invalid JSON, length, padding or UTF-8
    }
  }
}
