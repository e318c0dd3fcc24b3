/** What differs between packages. */
export interface Package {
  /** As in package.json. */
  readonly version: string;
  /** Debian's name: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly maintainer: string;
  readonly installedKib: number;
  /** Seconds since the epoch. */
  readonly date: number;
}

/** The version in Debian's form: a pre-release sorts before its release. */
export function debianVersion(version: string): string {
  return `${version.replace('-', '~')}-1`;
}

/** DEBIAN/control (deb-control(5)). */
export function control({ version, architecture, maintainer, installedKib }: Package): string {
  return `Package: sbc-sip-sidecar
Version: ${debianVersion(version)}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${installedKib}
Depends: libc6 (>= 2.17), ca-certificates, systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles
Section: comm
Priority: optional
Description: SIP registrar for the border of a jambonz platform
 It registers phones, tracks feature and RTP servers, keeps registrations at
 carriers and pings their gateways. It works beside a drachtio server, with the
 platform's Redis and MySQL, or embedded, with a SIP server and a database of
 its own.
`;
}

/** changelog.Debian: what changed is in the changelog of the project, which is installed beside it. */
export function changelog({ version, maintainer, date }: Package): string {
  const day = new Date(date * 1000).toUTCString().replace('GMT', '+0000');
  return `sbc-sip-sidecar (${debianVersion(version)}) stable; urgency=medium

  * Version ${version}; see changelog.gz.

 -- ${maintainer}  ${day}
`;
}
