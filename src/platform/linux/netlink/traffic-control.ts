import { isKernelError } from '../../../kernel/kernel.ts'
import { NLM_F, RTM } from '../../../wire/netlink/message.ts'
import {
  BPF_DIRECT_ACTION,
  TC_H,
  trafficControlBody,
} from '../../../wire/netlink/traffic-control.ts'
import type { Context } from './context.ts'

/** Where a program hangs on a link. */
export type Hook = 'ingress' | 'egress'

/** Distinguishes our filter from others' on the same hook. */
const PRIORITY = 0x7c0
const HANDLE = 1
const ETH_P_ALL = 0x0300 // in network order
const INFO = ((PRIORITY << 16) | ETH_P_ALL) >>> 0

export interface AttachedProgram {
  readonly name: string
  readonly programId: number
}

/** Our program on a hook of a link. */
export function attachedProgram(
  { netlink, name }: Context,
  linkIndex: number,
  hook: Hook,
): AttachedProgram | undefined {
  const body = { index: linkIndex, parent: TC_H[hook] }
  try {
    const filters = netlink.dump(
      {
        type: RTM.getFilter,
        body: (to) => trafficControlBody.encode(to, body),
        what: () => `List filters at the ${hook} of link ${linkIndex} on ${name}`,
      },
      (message) => trafficControlBody.decode(message.body),
    )
    const own = filters.find(({ info, handle }) => info === INFO && handle === HANDLE)
    if (own?.bpf?.programId === undefined) return undefined
    return { name: own.bpf.name ?? '', programId: own.bpf.programId }
  } catch (thrown) {
    // Nothing that filters could hang on, or no such link.
    if (isKernelError(thrown, 'EINVAL', 'ENODEV', 'ENOENT')) return undefined
    throw thrown
  }
}

/**
 * Hangs a program on a hook, in the place of our last one, between two packets.
 *
 * By clsact rather than TCX: what hangs there belongs to the link, so it outlives its agent without a pin
 * in a file system that containers hide (`ip netns exec` mounts another /sys), goes when the link goes,
 * and can be seen and removed with tc. A TCX link would be gone with the last descriptor or pin. Kernels of
 * before 6.6 have clsact alone.
 */
export function attachProgram(
  context: Context,
  linkIndex: number,
  hook: Hook,
  program: { readonly fd: number; readonly name: string },
): void {
  ensureHooks(context, linkIndex)
  const body = {
    index: linkIndex,
    parent: TC_H[hook],
    handle: HANDLE,
    info: INFO,
    kind: 'bpf',
    bpf: { fd: program.fd, name: program.name, flags: BPF_DIRECT_ACTION },
  }
  context.netlink.execute({
    type: RTM.newFilter,
    flags: NLM_F.create,
    body: (to) => trafficControlBody.encode(to, body),
    what: () => `Attach ${program.name} to link ${linkIndex} on ${context.name}`,
  })
}

export function detachProgram({ netlink, name }: Context, linkIndex: number, hook: Hook): void {
  const body = { index: linkIndex, parent: TC_H[hook], handle: HANDLE, info: INFO, kind: 'bpf' }
  try {
    netlink.execute({
      type: RTM.deleteFilter,
      body: (to) => trafficControlBody.encode(to, body),
      what: () => `Detach the program at the ${hook} of link ${linkIndex} on ${name}`,
    })
  } catch (thrown) {
    if (!isKernelError(thrown, 'ENOENT', 'EINVAL', 'ENODEV')) throw thrown
  }
}

/** The "clsact" pseudo queueing discipline, which holds filters and queues nothing. */
function ensureHooks({ netlink, name }: Context, linkIndex: number): void {
  const body = { index: linkIndex, parent: TC_H.clsact, handle: TC_H.clsactHandle, kind: 'clsact' }
  try {
    netlink.execute({
      type: RTM.newQueueDiscipline,
      flags: NLM_F.create | NLM_F.exclusive,
      body: (to) => trafficControlBody.encode(to, body),
      what: () => `Add clsact to link ${linkIndex} on ${name}`,
    })
  } catch (thrown) {
    if (!isKernelError(thrown, 'EEXIST')) throw thrown
  }
}
