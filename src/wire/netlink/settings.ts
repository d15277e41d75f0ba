import { attributes } from './attributes.ts'
import { body } from './body.ts'
import { i32, padding, struct, u8 } from './codec.ts'

/** struct netconfmsg (linux/netconf.h), with what aligns the attributes behind it. */
const header = struct({ family: u8, _pad: padding(3) })

const settingsAttributes = attributes({
  /** Negative: NETCONFA_IFINDEX_ALL and NETCONFA_IFINDEX_DEFAULT. */
  index: ['NETCONFA_IFINDEX', 1, i32],
})

/** RTM_NEWNETCONF: some of net.ipv4.conf or net.ipv6.conf was written. */
export const settingsBody = body(header, settingsAttributes)
