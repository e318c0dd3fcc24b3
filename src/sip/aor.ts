/** An address of record as stores, events and operators name it: `user@realm`, without a scheme. */
interface Aor {
  readonly user: string;
  readonly realm: string;
}

export function aorName({ user, realm }: Aor): string {
  return `${user}@${realm}`;
}

/** The inverse of {@link aorName}; undefined when a part is missing. */
export function readAorName(name: string): Aor | undefined {
  const at = name.lastIndexOf('@');
  const [user, realm] = [name.slice(0, at), name.slice(at + 1)];
  return at > 0 && realm !== '' ? { user, realm } : undefined;
}

/** Whether a realm is another one or a sub-domain of it. Both in lower case. */
function isWithin(realm: string, other: string): boolean {
  return realm === other || realm.endsWith(`.${other}`);
}

/** Whether an AOR is within a realm and has a text in its name, in any case. What is undefined does not restrict. */
export function isSelected(aor: Aor, realm: string | undefined, text: string | undefined): boolean {
  return (
    (realm === undefined || isWithin(aor.realm.toLowerCase(), realm)) &&
    (text === undefined || aorName(aor).toLowerCase().includes(text.toLowerCase()))
  );
}
