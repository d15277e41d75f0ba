/**
 * Whether text is a BGP community as Calico writes it: "65000:100" of two numbers of 16 bits (RFC 1997), or
 * a large one "65000:1:2" of three of 32 bits (RFC 8092).
 */
export function isCommunity(text: string): boolean {
  const parts = text.split(':')
  const most = { 2: 0xffff, 3: 0xffffffff }[parts.length]
  return most !== undefined && parts.every((part) => NUMBER.test(part) && Number(part) <= most)
}

const NUMBER = /^(0|[1-9]\d{0,9})$/
