import { UserError } from '../../lib/errors.ts'
import type { BfdTimers } from './bfd.ts'

const RANGES = {
  desiredMinTxMilliseconds: [10, 60_000],
  requiredMinRxMilliseconds: [10, 60_000],
  detectMultiplier: [1, 255],
} as const satisfies Record<keyof BfdTimers, readonly [number, number]>

/** @throws UserError naming `where` and the timer that is out of range */
export function checkBfdTimers(where: string, timers: BfdTimers): void {
  for (const name of Object.keys(RANGES) as (keyof BfdTimers)[]) {
    const [least, most] = RANGES[name]
    const value = timers[name]
    if (value === undefined) continue
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new UserError(
        `${where}.${name}: expected an integer from ${least} to ${most}, found ${value}`,
      )
    }
  }
}
