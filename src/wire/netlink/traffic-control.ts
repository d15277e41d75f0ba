import { attributes, nested } from './attributes.ts'
import { body } from './body.ts'
import { cstring, padding, struct, u32, u8 } from './codec.ts'

/** Where things hang on a link: TC_H_* (linux/pkt_sched.h). */
export const TC_H = {
  clsact: 0xffff_fff1,
  clsactHandle: 0xffff_0000,
  ingress: 0xffff_fff2,
  egress: 0xffff_fff3,
} as const

/** TCA_BPF_FLAG_ACT_DIRECT: what the program returns is what happens. */
export const BPF_DIRECT_ACTION = 1

/** struct tcmsg (linux/rtnetlink.h). */
const header = struct({
  family: u8,
  _pad: padding(3),
  index: u32,
  handle: u32,
  parent: u32,
  /** Of a filter: priority in the upper half, protocol in network order in the lower. */
  info: u32,
})

const trafficControlAttributes = attributes({
  kind: ['TCA_KIND', 1, cstring],
  /** Of the kind "bpf". */
  bpf: [
    'TCA_OPTIONS',
    nested(2),
    attributes({
      fd: ['TCA_BPF_FD', 6, u32],
      name: ['TCA_BPF_NAME', 7, cstring],
      flags: ['TCA_BPF_FLAGS', 8, u32],
      programId: ['TCA_BPF_ID', 11, u32],
    }),
  ],
})

/** RTM_NEWQDISC, RTM_NEWTFILTER and their kin. */
export const trafficControlBody = body(header, trafficControlAttributes)
/** Where one of them hangs, whatever else it says: options are of one form for each kind. */
export const trafficControlPlace = body(header, attributes({}))
