import * as z from 'zod'

/**
 * An object schema that lets fields through which it does not know, so that what a newer Calico wrote
 * survives a read-modify-write; its type names only the known ones, so that a misspelled field does
 * not compile. Known fields come first, in the order of `shape`, which is the order in which Calico writes.
 */
export function loose<const Shape extends z.core.$ZodLooseShape>(shape: Shape): z.ZodObject<Shape> {
  return z.looseObject(shape)
}
