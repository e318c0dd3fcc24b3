import type { App } from './app.ts';

/** The apps that have authenticated, and who of them has asked for what. */
export class Apps {
  readonly #byMethod = new Map<string, App[]>();

  route(app: App, method: string): void {
    const apps = this.#byMethod.get(method) ?? [];
    if (!apps.includes(app)) apps.push(app);
    this.#byMethod.set(method, apps);
  }

  removeRoute(app: App, method: string): void {
    const left = (this.#byMethod.get(method) ?? []).filter((other) => other !== app);
    if (left.length > 0) this.#byMethod.set(method, left);
    else this.#byMethod.delete(method);
  }

  remove(app: App): void {
    for (const method of [...this.#byMethod.keys()]) this.removeRoute(app, method);
  }

  /** Whose turn it is to get a request of that method; undefined when nobody has asked for it. */
  next(method: string): App | undefined {
    const apps = this.#byMethod.get(method);
    const app = apps?.shift();
    if (apps && app) apps.push(app);
    return app;
  }
}
