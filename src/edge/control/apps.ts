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

  /** Whose turn it is to get a request of that method; undefined when nobody has asked for it, or all are too busy. */
  next(method: string): App | undefined {
    const apps = this.#byMethod.get(method) ?? [];
    const app = apps.find((candidate) => !candidate.busy);
    if (!app || apps.length === 1) return app;
    // To the end, where its next turn is.
    apps.splice(apps.indexOf(app), 1);
    apps.push(app);
    return app;
  }
}
