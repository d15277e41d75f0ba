import { UserError } from '../../lib/errors.ts'

/** A name that a lab can have. Errors: UserError; `where` is what the person typed it after. */
export function checkedLabName(name: string, where: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,22}[a-z0-9])?$/.test(name)) return name
  throw new UserError(
    `${where} is "${name}": expected a DNS label: a-z, 0-9 and inner "-", 24 characters at most`,
  )
}
