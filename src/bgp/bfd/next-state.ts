import type { BfdState } from '../../wire/bfd/control-packet.ts'

export type BfdEvent =
  /** A packet that carries this state of the other side. */
  | BfdState
  /** Nothing arrived for a Detection Time. */
  | 'timeout'

/**
 * The state machine of RFC 5880 section 6.8.6, with the detection timer of section 6.8.4: the row is
 * the local state, the column what happens. AdminDown is left only by configuration.
 */
export const NEXT_BFD_STATE = {
  AdminDown: {
    AdminDown: 'AdminDown',
    Down: 'AdminDown',
    Init: 'AdminDown',
    Up: 'AdminDown',
    timeout: 'AdminDown',
  },
  Down: { AdminDown: 'Down', Down: 'Init', Init: 'Up', Up: 'Down', timeout: 'Down' },
  Init: { AdminDown: 'Down', Down: 'Init', Init: 'Up', Up: 'Up', timeout: 'Down' },
  Up: { AdminDown: 'Down', Down: 'Down', Init: 'Up', Up: 'Up', timeout: 'Down' },
} as const satisfies Record<BfdState, Record<BfdEvent, BfdState>>
