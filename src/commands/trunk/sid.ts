/** How a trunk is named: `gateway` is a sip_gateway_sid. */
export const GATEWAY_SID = {
  type: 'positional',
  valueHint: 'sid',
  description: 'gateway SID, as `trunk list` shows it',
} as const;
