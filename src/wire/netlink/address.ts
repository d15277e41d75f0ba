import { attributes } from './attributes.ts'
import { body } from './body.ts'
import { cstring, ipAddress, struct, u32, u8 } from './codec.ts'

/** IFA_F_* (linux/if_addr.h). */
export const IFA_F = { secondary: 0x01, noDuplicateDetection: 0x02, tentative: 0x40 } as const

/** struct ifaddrmsg (linux/if_addr.h). */
const header = struct({ family: u8, prefixLength: u8, flags: u8, scope: u8, index: u32 })

const addressAttributes = attributes({
  /** The other end on a point-to-point link, else the same as `local`; alone with IPv6. */
  address: ['IFA_ADDRESS', 1, ipAddress],
  local: ['IFA_LOCAL', 2, ipAddress],
  label: ['IFA_LABEL', 3, cstring],
  broadcast: ['IFA_BROADCAST', 4, ipAddress],
  /** Takes the place of the header's flags, of which only 8 fit. */
  allFlags: ['IFA_FLAGS', 8, u32],
})

/** RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR. */
export const addressBody = body(header, addressAttributes)
export type AddressMessage = ReturnType<typeof addressBody.decode>
