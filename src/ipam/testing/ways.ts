/** The two ways in which a store lets IPAM change its objects. */
export const WAYS = [
  { way: 'all objects of a change at once', oneByOne: false },
  { way: 'one object after the other', oneByOne: true },
] as const
