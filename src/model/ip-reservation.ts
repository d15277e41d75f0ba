import * as z from 'zod'
import type { Checks } from './checks.ts'
import { cidrOrAddress } from './fields.ts'
import { loose } from './loose.ts'
import { listCell, nameColumn } from './column.ts'
import type { KindDefinition } from './kind-definition.ts'

/** Addresses never given to anybody new. */
export const ipReservationSpec = loose({ reservedCIDRs: z.array(cidrOrAddress()).optional() })

/** One range that is wrong takes no other with it. */
const IP_RESERVATION_PARTS = ['spec.reservedCIDRs', 'spec.reservedCIDRs.*']

function checkIpReservation(
  checks: Checks,
  _reservation: unknown,
  { spec }: { readonly spec: { readonly reservedCIDRs?: unknown } },
): void {
  checks.noHostBitsIn('spec.reservedCIDRs', spec.reservedCIDRs)
}

export const ipReservation: KindDefinition<'IPReservation'> = {
  plural: 'ipreservations',
  aliases: ['reservation', 'reservations'],
  namespaced: false,
  spec: ipReservationSpec,
  parts: IP_RESERVATION_PARTS,
  check: checkIpReservation,
  uses: { reservedCIDRs: 'obeyed' },
  columns: [nameColumn],
  wideColumns: [nameColumn, { header: 'CIDRS', value: ({ spec }) => listCell(spec.reservedCIDRs) }],
}
