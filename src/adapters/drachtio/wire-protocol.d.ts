declare module 'drachtio-srf/lib/wire-protocol.js' {
  const WireProtocol: { readonly prototype: object };
  export default WireProtocol;
}
