export const GATEWAY_SID = {
  type: 'positional',
  valueHint: 'sid',
  description: 'gateway SID, as `trunk list` shows it',
} as const;
