export const AOR = {
  type: 'positional',
  valueHint: 'aor',
  required: true,
  description: 'user@realm, as `reg list` shows it',
} as const;
