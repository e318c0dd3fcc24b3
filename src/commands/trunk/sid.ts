export const GATEWAY_SID = {
  type: 'positional',
  valueHint: 'sid',
  description: 'gateway SID or the beginning of one, or the name of a carrier',
} as const;
