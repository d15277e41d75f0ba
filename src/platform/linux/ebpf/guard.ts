import { assemble, exit, jumpIf, label, load, move, register, store } from './assembler.ts'
import {
  ACTION,
  askFib,
  clearFib,
  CONTEXT,
  countingDrops,
  dropIf,
  FIB,
  FIB_AT,
  FIB_FIELD,
  FRAME,
  lookUpSender,
  OUTER_AT,
  passUnlessIpip,
  SKB,
} from './packet-items.ts'

export interface GuardOptions {
  readonly sendersFd: number
  readonly countersFd: number
  /** Octets of link-layer header on the link: 14, or 0 on links that have none. */
  readonly linkHeaderOctets: number
}

/**
 * For the ingress of a link that other nodes are reached by, where the kernel's own ipip device is and no
 * packet filter before it: drops IPIP to the node itself, fragments included, from whom the node takes
 * none. What only passes through goes on.
 */
export function guardProgram({
  sendersFd,
  countersFd,
  linkHeaderOctets,
}: GuardOptions): Uint8Array {
  const program = [
    move(CONTEXT, register(1)),
    ...passUnlessIpip(linkHeaderOctets),
    ...lookUpSender(sendersFd),
    jumpIf('notEqual', 0, 0, 'next'),
    load('u32', 7, CONTEXT, SKB.ifindex),
    ...clearFib(register(7)),
    load('u32', 2, FRAME, OUTER_AT + 12),
    store('u32', FRAME, FIB_AT + FIB_FIELD.source, register(2)),
    load('u32', 2, FRAME, OUTER_AT + 16),
    store('u32', FRAME, FIB_AT + FIB_FIELD.destination, register(2)),
    ...askFib(FIB.skipNeighbor),
    // 0 (BPF_FIB_LKUP_RET_SUCCESS): there is a way on. What is for the node itself is "not forwarded".
    dropIf('notEqual', 0, 0, 'stranger'),
    label('next'),
    move(0, ACTION.next),
    exit,
  ]
  return assemble(countingDrops(program, countersFd))
}
